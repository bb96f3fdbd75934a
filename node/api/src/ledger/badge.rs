// SPDX-License-Identifier: Apache-2.0

//! What a badge's user has used, of what a consumer allows it.

use std::sync::{
    atomic::{AtomicBool, Ordering},
    Arc, Mutex, PoisonError,
};

use cairn_voucher::{Badge, Bytes32, Signature};

use super::{verify, Refusal, Who};

/// What one user has used, over all of its badges in one authorisation of the signer.
#[derive(Debug, Default)]
pub struct UserUse {
    units: Mutex<u64>,
    used: AtomicBool,
}

/// A badge with which a session was opened.
#[derive(Clone, Debug)]
pub struct OpenBadge {
    /// Most units in all.
    pub units_max: u64,
    /// Until when, in milliseconds since 1970.
    pub expires_at_ms: u64,
    used: Arc<UserUse>,
}

impl UserUse {
    pub(super) fn new(units: u64) -> Self {
        Self { units: Mutex::new(units), used: AtomicBool::new(false) }
    }

    /// Units.
    pub fn units(&self) -> u64 {
        *self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Units, if calls have used some since the last time.
    pub(super) fn take_uses(&self) -> Option<u64> {
        self.used.swap(false, Ordering::AcqRel).then(|| self.units())
    }
}

impl OpenBadge {
    pub(super) fn new(badge: &Badge, used: Arc<UserUse>) -> Self {
        Self { units_max: badge.units_max, expires_at_ms: badge.expires_at_ms, used }
    }

    /// Takes a call's units.
    ///
    /// # Errors
    /// [`Refusal::Badge`]; nothing was taken.
    pub fn charge(&self, units: u64, now_ms: u64) -> Result<(), Refusal> {
        if now_ms >= self.expires_at_ms {
            return Err(Refusal::Badge("it has expired"));
        }
        let mut used = self.used.units.lock().unwrap_or_else(PoisonError::into_inner);
        let after = used.checked_add(units).filter(|after| *after <= self.units_max);
        *used = after.ok_or(Refusal::Badge("its units are used up"))?;
        drop(used);
        self.used.used.store(true, Ordering::Release);
        Ok(())
    }

    /// Gives back what a call took that was not answered.
    pub fn give_back(&self, units: u64) {
        let mut used = self.used.units.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(units);
        drop(used);
        self.used.used.store(true, Ordering::Release);
    }

    /// Units that are left.
    pub fn left(&self) -> u64 {
        self.units_max.saturating_sub(self.used.units())
    }
}

/// Whether a badge is what it says: for this place, and signed. Whether its signer may still sign is the chain's to say.
///
/// # Errors
/// [`Refusal::Badge`].
pub fn check_badge(
    badge: &Badge,
    signature: &Signature,
    place: (&Bytes32, &Bytes32, u32),
    user: &Bytes32,
    who: (&Bytes32, u32),
    now_ms: u64,
) -> Result<(), Refusal> {
    let wrong = [
        ("it is for another chain", badge.genesis != *place.0),
        ("it is for another contract", badge.contract != *place.1),
        ("it is for another API", badge.api != place.2),
        ("it is another user's", badge.user != *user),
        ("it is another consumer's", badge.consumer != *who.0),
        ("its epoch is another", badge.epoch != who.1),
        ("it has expired", now_ms >= badge.expires_at_ms),
    ];
    if let Some((why, _)) = wrong.into_iter().find(|(_, wrong)| *wrong) {
        return Err(Refusal::Badge(why));
    }
    if !verify(&badge.signer, &badge.signed_bytes(), signature) {
        return Err(Refusal::Badge("its signature is not its signer's"));
    }
    Ok(())
}

/// Whose a use is.
pub type UserOf = (Who, Bytes32);
