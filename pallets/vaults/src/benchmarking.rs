// SPDX-License-Identifier: Apache-2.0

//! Each call in its worst case: the last place that is tried, the longest addresses, and another vault that has to move in
//! the index.

use super::*;
use alloc::vec;
use cairn_primitives::storage::{VaultStatus, ADDRESSES_MAX, ADDRESS_BYTES_MAX};
use frame_benchmarking::v2::*;
use frame_support::{
    traits::{
        fungible::{Inspect, Mutate},
        Get,
    },
    BoundedVec,
};
use frame_system::RawOrigin;

/// What a vault of the benchmarks offers.
pub const CAPACITY_UNITS: u64 = 1 << 22;
/// What it asks: the least of its class, so that dearer ones can be in the way.
pub const ASK: Balance = 1 << 40;

/// An account with enough for anything.
pub fn rich<T: Config>(name: &'static str, index: u32) -> T::AccountId {
    let who: T::AccountId = account(name, index, 0);
    let bond = T::BondPerUnit::get().saturating_mul(CAPACITY_UNITS.into()).max(T::BondMin::get());
    let balance = bond.saturating_mul(4).saturating_add(T::NativeBalance::minimum_balance().saturating_mul(1_000));
    T::NativeBalance::set_balance(&who, balance.saturating_add(1 << 70));
    who
}

fn long_addresses() -> Addresses {
    let mut address = vec![b'a'; ADDRESS_BYTES_MAX as usize - 6];
    address.extend_from_slice(b":65535");
    BoundedVec::truncate_from(vec![BoundedVec::truncate_from(address); ADDRESSES_MAX as usize])
}

fn key_of(index: u32) -> [u8; 32] {
    let mut key = [0xbe; 32];
    key[..4].copy_from_slice(&index.to_le_bytes());
    key
}

/// Registers a vault that asks so much, with a bond for all that it offers.
pub fn registered<T: Config>(index: u32, ask: Balance, service_key: [u8; 32]) -> T::AccountId {
    let who = rich::<T>("vault", index);
    let bond = Pallet::<T>::bond_for(CAPACITY_UNITS).max(T::BondMin::get());
    Pallet::<T>::do_register(who.clone(), CAPACITY_UNITS, ask, long_addresses(), service_key, bond)
        .expect("the vault is rich and its place is free");
    who
}

/// Two vaults of one class: what the first does moves the second.
fn two<T: Config>() -> T::AccountId {
    let first = registered::<T>(0, ASK, key_of(0));
    registered::<T>(1, ASK, key_of(1));
    first
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn register() {
        let who = rich::<T>("vault", 0);
        // Only the last place that is tried has room.
        let period = T::PeriodBlocks::get().max(1);
        let full = vec![account::<T::AccountId>("full", 0, 0); VAULTS_PER_PLACE_MAX as usize];
        let first = Pallet::<T>::first_place(&who);
        for step in 0..PLACES_TRIED_MAX.min(period) - 1 {
            Places::<T>::insert((first + step) % period, BoundedVec::truncate_from(full.clone()));
        }
        let bond = Pallet::<T>::bond_for(CAPACITY_UNITS).max(T::BondMin::get());
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), CAPACITY_UNITS, ASK, long_addresses(), key_of(0), bond);
        assert!(Vaults::<T>::contains_key(&who));
    }

    #[benchmark]
    fn update() {
        let who = two::<T>();
        let capacity = Some(CAPACITY_UNITS / 4);
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), capacity, Some(ASK * 64), Some(long_addresses()), Some(key_of(7)));
        assert_eq!(Vaults::<T>::get(&who).map(|vault| (vault.ask, vault.service_key)), Some((ASK * 64, key_of(7))));
    }

    #[benchmark]
    fn set_paused() {
        let who = two::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), true);
        assert_eq!(Vaults::<T>::get(&who).map(|vault| (vault.paused, vault.position)), Some((true, None)));
    }

    #[benchmark]
    fn bond_more() {
        let who = two::<T>();
        let before = Vaults::<T>::get(&who).expect("it was registered").bond;
        // With less of a bond it is in another class, which it leaves.
        Pallet::<T>::slash(&who, before / 2, &account("thief", 0, 0));
        let before = Vaults::<T>::get(&who).expect("it was registered").bond;
        registered::<T>(2, ASK, key_of(2));
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), before);
        assert_eq!(Vaults::<T>::get(&who).expect("it was registered").bond, before * 2);
    }

    #[benchmark]
    fn unbond() {
        let who = two::<T>();
        let before = Vaults::<T>::get(&who).expect("it was registered").bond;
        let amount = before - T::BondMin::get();
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), amount);
        assert_eq!(Vaults::<T>::get(&who).expect("it was registered").bond, T::BondMin::get());
    }

    #[benchmark]
    fn begin_exit() {
        let who = two::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));
        assert_eq!(Vaults::<T>::get(&who).map(|vault| vault.status), Some(VaultStatus::Exiting));
    }

    #[benchmark]
    fn finish_exit() {
        let who = two::<T>();
        Pallet::<T>::do_begin_exit(who.clone()).expect("it was registered");
        // Its place is full.
        let place = Vaults::<T>::get(&who).expect("it was registered").place_block;
        Places::<T>::mutate(place, |vaults| while vaults.try_push(account("full", 0, 0)).is_ok() {});
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));
        assert!(!Vaults::<T>::contains_key(&who));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::ExtBuilder.build(), crate::mock::Test);
}
