// SPDX-License-Identifier: Apache-2.0

//! What drives commit to, and what they give up.

use crate::{Config, Disputes, Drives, Duty, Error, Event, Pallet, Roots, Signatures, Slot, SlotCause, Slots};
use cairn_primitives::storage::{Coding, DriveId, Head, Receipt, SlotAt, SlotState, CHUNKS_PER_UNIT};
use frame_support::pallet_prelude::*;

impl<T: Config> Pallet<T> {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn do_checkpoint(
        who: T::AccountId,
        id: DriveId,
        expected_version: u64,
        units: u64,
        until_block: u32,
        roots: Roots,
        signatures: Signatures,
        head: Head,
    ) -> DispatchResult {
        let genesis = Self::genesis();
        let ensure_signed = |vault: &_, receipt, signature| Self::ensure_signed(vault, receipt, &genesis, signature);
        Self::checkpoint_with(who, id, expected_version, units, until_block, roots, signatures, head, ensure_signed)
    }

    /// What [`Call::checkpoint`](crate::Call::checkpoint) does, whatever says that a signature is a vault's: the simulator
    /// knows it without checking. What was changed before an error is for the caller to roll back.
    ///
    /// # Errors
    /// Those of the call.
    #[allow(clippy::too_many_arguments)]
    pub fn checkpoint_with(
        who: T::AccountId,
        id: DriveId,
        expected_version: u64,
        units: u64,
        until_block: u32,
        roots: Roots,
        signatures: Signatures,
        head: Head,
        ensure_signed: impl Fn(&T::AccountId, Receipt, [u8; 64]) -> Result<(), Error<T>>,
    ) -> DispatchResult {
        let mut drive = Self::writable_drive(&who, id)?;
        ensure!(drive.version == expected_version, Error::<T>::VersionStale);
        ensure!(!drive.forming, Error::<T>::GroupForming);
        ensure!(Self::now() <= until_block, Error::<T>::ReceiptsExpired);
        ensure!(units >= drive.units, Error::<T>::UnitsShrink);
        ensure!(units.saturating_sub(drive.trimmed_units) <= drive.capacity_units, Error::<T>::CapacityExceeded);
        let slots = usize::from(drive.coding.slots());
        ensure!(roots.len() == slots && signatures.len() == slots, Error::<T>::SlotCountWrong);
        // Copies are alike. Of wider codings the chain can't know whether a root is that of the slot's shards.
        let are_alike = roots.iter().all(|root| Some(root) == roots.first());
        ensure!(drive.coding != Coding::K1 || are_alike, Error::<T>::RootsDiffer);
        let signed = signatures.iter().flatten().count();
        ensure!(signed >= usize::from(drive.coding.signatures_min()), Error::<T>::TooFewSignatures);

        Self::settle_drive(&mut drive);
        drive.version = expected_version.saturating_add(1);
        let (version, period) = (drive.version, Self::period());
        let (before, from_units) = (drive.duty(period), drive.units);
        let rate_before = drive.rate;
        drive.units = units;
        let after = drive.duty(period);
        for ((slot_number, root), signature) in (0u8..).zip(roots).zip(signatures) {
            let at = SlotAt { drive: id, slot: slot_number };
            let mut slot = Slots::<T>::get(at).ok_or(Error::<T>::SlotUnknown)?;
            ensure!(units > from_units || slot.root == root, Error::<T>::RootChanged);
            if units > from_units {
                slot.root = root;
                slot.accepted = signature.is_some() || drive.coding == Coding::K1;
            }
            let duty = if slot.state == SlotState::Healthy { before } else { Duty::default() };
            match (slot.vault.clone(), signature) {
                (Some(vault), Some(signature)) => {
                    ensure_signed(&vault, Receipt { at, version, root, units, until_block }, signature)?;
                    Self::turn_duty(at, &vault, &mut slot, duty, after);
                    slot.proven_block = Some(Self::now());
                    slot.settle();
                    slot.accepted = true;
                    Self::turn_state(at, &mut slot, SlotState::Healthy, SlotCause::Signed, &mut drive.healthy);
                    Self::dismiss_successor(at, &drive, &mut slot);
                },
                (None, Some(_)) => return Err(Error::<T>::SignatureUnexpected.into()),
                // What has not changed needs no new acceptance.
                (Some(_), None) if units == from_units => {},
                (Some(vault), None) => {
                    Self::turn_duty(at, &vault, &mut slot, duty, Duty::default());
                    slot.behind_block = slot.behind_block.or(Some(Self::now()));
                    Self::turn_state(at, &mut slot, SlotState::Behind, SlotCause::NotSigned, &mut drive.healthy);
                    Self::enqueue_repair(at, &drive, &mut slot);
                },
                (None, None) => {},
            }
            Slots::<T>::insert(at, slot);
        }
        drive.decide_refill();
        drive.rate = after.rate.saturating_mul(drive.healthy.into());
        if drive.rate > rate_before {
            // Nothing more is taken on than is paid for a period.
            let affordable = drive.escrow >= drive.rate.saturating_mul(period.into());
            ensure!(affordable, Error::<T>::EscrowTooSmall);
            Self::enqueue_ending(id, &mut drive)?;
        }
        drive.head = head.clone();
        Drives::<T>::insert(id, drive);
        let signatures = signed as u8;
        Self::deposit_event(Event::Checkpointed {
            drive: id,
            by: who,
            version,
            from_units,
            to_units: units,
            head,
            signatures,
        });
        Ok(())
    }

    /// Gives the number of slots.
    pub(crate) fn do_trim(
        who: T::AccountId,
        id: DriveId,
        expected_version: u64,
        to_units: u64,
    ) -> Result<u32, DispatchError> {
        let mut drive = Self::writable_drive(&who, id)?;
        ensure!(drive.version == expected_version, Error::<T>::VersionStale);
        ensure!(to_units > drive.trimmed_units && to_units <= drive.units, Error::<T>::TrimInvalid);
        Self::settle_drive(&mut drive);
        let period = Self::period();
        let before = drive.duty(period);
        let from_units = core::mem::replace(&mut drive.trimmed_units, to_units);
        let after = drive.duty(period);
        let first_chunk = to_units.saturating_mul(CHUNKS_PER_UNIT);
        let slots = drive.coding.slots();
        for slot_number in 0..slots {
            let at = SlotAt { drive: id, slot: slot_number };
            let mut slot = Slots::<T>::get(at).ok_or(Error::<T>::SlotUnknown)?;
            let Some(vault) = slot.vault.clone() else { continue };
            if slot.state == SlotState::Healthy {
                Self::turn_duty(at, &vault, &mut slot, before, after);
            }
            Self::excuse(&vault, at, Some(first_chunk));
            if Disputes::<T>::get(at).is_some_and(|dispute| dispute.target.chunk < first_chunk) {
                Self::void_dispute(at, &mut slot);
            }
            Slots::<T>::insert(at, slot);
        }
        drive.rate = after.rate.saturating_mul(drive.healthy.into());
        Drives::<T>::insert(id, drive);
        Self::deposit_event(Event::Trimmed { drive: id, by: who, from_units, to_units });
        Ok(slots.into())
    }

    /// Makes a slot's state another, and counts the healthy ones.
    pub(crate) fn turn_state(
        at: SlotAt,
        slot: &mut Slot<T::AccountId>,
        to: SlotState,
        cause: SlotCause,
        healthy: &mut u8,
    ) {
        let from_state = core::mem::replace(&mut slot.state, to);
        if from_state == to {
            return;
        }
        *healthy = match to {
            SlotState::Healthy => healthy.saturating_add(1),
            _ if from_state == SlotState::Healthy => healthy.saturating_sub(1),
            _ => *healthy,
        };
        Self::tell_change(at, slot, slot.vault.clone(), from_state, cause);
    }

    fn ensure_signed(
        vault: &T::AccountId,
        receipt: Receipt,
        genesis: &[u8; 32],
        signature: [u8; 64],
    ) -> Result<(), Error<T>> {
        let vault = pallet_vaults::Vaults::<T>::get(vault).ok_or(Error::<T>::SignatureInvalid)?;
        let message = receipt.to_sign(genesis);
        let right = sp_io::crypto::ed25519_verify(&signature.into(), &message, &vault.service_key.into());
        ensure!(right, Error::<T>::SignatureInvalid);
        Ok(())
    }
}
