// SPDX-License-Identifier: Apache-2.0

use crate::{BalanceOf, Config, HoldReason, Pallet};
use cairn_primitives::names::Zone;
use frame_support::{
    pallet_prelude::*,
    sp_runtime::{traits::Zero, Saturating},
    traits::{
        fungible::{hold::Mutate as _, Mutate as _},
        tokens::{Precision, Preservation},
    },
};

impl<T: Config> Pallet<T> {
    pub(crate) fn hold(reason: HoldReason, who: &T::AccountId, amount: BalanceOf<T>) -> DispatchResult {
        if amount.is_zero() {
            return Ok(());
        }
        T::NativeBalance::hold(&reason.into(), who, amount)
    }

    /// Gives back what was held. That it is there is an invariant; if some were gone the rest would be given back, so that
    /// a fault elsewhere can't keep a name from ending.
    pub(crate) fn give_back(reason: HoldReason, who: &T::AccountId, amount: BalanceOf<T>) -> DispatchResult {
        if amount.is_zero() {
            return Ok(());
        }
        let given = T::NativeBalance::release(&reason.into(), who, amount, Precision::BestEffort)?;
        if given < amount {
            frame_support::defensive!("less was on hold than was held");
        }
        Ok(())
    }

    /// Makes what is held `to` instead of `from`.
    pub(crate) fn rehold(
        reason: HoldReason,
        who: &T::AccountId,
        from: BalanceOf<T>,
        to: BalanceOf<T>,
    ) -> DispatchResult {
        if to > from {
            Self::hold(reason, who, to.saturating_sub(from))
        } else {
            Self::give_back(reason, who, from.saturating_sub(to))
        }
    }

    /// What is held for a zone.
    pub(crate) fn zone_deposit(zone: &Zone) -> BalanceOf<T> {
        if zone.is_empty() {
            return Zero::zero();
        }
        T::ZoneDepositBase::get().saturating_add(T::ZoneDepositPerByte::get().saturating_mul(zone.bytes().into()))
    }

    /// Pays a price.
    pub(crate) fn pay(who: &T::AccountId, price: BalanceOf<T>) -> DispatchResult {
        if price.is_zero() {
            return Ok(());
        }
        T::NativeBalance::transfer(who, &T::Treasury::get(), price, Preservation::Preserve)?;
        Ok(())
    }
}
