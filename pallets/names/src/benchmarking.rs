// SPDX-License-Identifier: Apache-2.0

//! Each call in its worst case: the longest labels, full zones, and whatever else may be in the way.

use super::*;
use alloc::{format, vec, vec::Vec};
use cairn_primitives::names::{
    commitment_hash, records_hash, rr, Label, Rdata, RelativeName, RrSet, Zone, ZoneKey, SUBDOMAINS_MAX,
};
use codec::Encode;
use frame_benchmarking::v2::*;
use frame_support::{
    traits::{
        fungible::{Inspect, Mutate},
        EnsureOrigin, Get,
    },
    weights::Weight,
    BoundedVec,
};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};

/// Records and bytes of text that fit into a zone together.
const RECORDS_MAX: u32 = 60;
const TEXT_BYTES_MAX: u32 = 2_600;

fn rich<T: Config>(name: &'static str) -> T::AccountId {
    let who: T::AccountId = account(name, 0, 0);
    let deposits = T::ZoneDepositBase::get()
        + T::ZoneDepositPerByte::get() * 4_096u32.into()
        + T::CommitmentDeposit::get()
        + T::EntryDeposit::get() * 64u32.into();
    let balance = T::PricePerYear::get() * 1_000_000u32.into()
        + deposits * 100u32.into()
        + T::NativeBalance::minimum_balance() * 1_000u32.into();
    T::NativeBalance::set_balance(&who, balance);
    who
}

fn existing_treasury<T: Config>() {
    T::NativeBalance::set_balance(&T::Treasury::get(), T::NativeBalance::minimum_balance());
}

/// A label of 63 bytes.
fn long_label(number: u32) -> LabelBytes {
    let bytes = format!("{number:0>63}").into_bytes();
    BoundedVec::truncate_from(bytes)
}

fn parsed(label: &LabelBytes) -> Label {
    Label::try_from(label.as_slice()).expect("benchmarks use valid labels")
}

fn rrset(name: &str, rtype: u16, data: Vec<Vec<u8>>) -> RrSet {
    let rdata: Vec<Rdata> = data.into_iter().map(BoundedVec::truncate_from).collect();
    RrSet {
        name: RelativeName::parse(name).expect("benchmarks use valid names"),
        rtype,
        ttl_seconds: 300,
        rdata: BoundedVec::truncate_from(rdata),
    }
}

/// `records` address records at names of their own, and so many bytes of text.
fn sets(records: u32, text_bytes: u32) -> Vec<RrSet> {
    let mut sets: Vec<RrSet> =
        (0..records).map(|number| rrset(&format!("a{number:02}"), rr::A, vec![vec![1, 2, 3, 4]])).collect();
    let mut left = text_bytes as usize;
    let mut texts = Vec::new();
    while left > 0 {
        let mut text = vec![0; left.min(1_024)];
        left -= text.len();
        // Texts differ by the length of their first string.
        let first = texts.len().min(text.len() - 1);
        text[0] = first as u8;
        texts.push(text);
    }
    if !texts.is_empty() {
        sets.push(rrset("@", rr::TXT, texts));
    }
    sets
}

fn full() -> Vec<RrSet> {
    sets(RECORDS_MAX, TEXT_BYTES_MAX)
}

fn hash_for<T: Config>(who: &T::AccountId, label: &LabelBytes, sets: &[RrSet]) -> CommitmentHash {
    let zone = Zone::from_sets(sets.to_vec()).expect("benchmarks use valid zones");
    commitment_hash(&Pallet::<T>::genesis(), &parsed(label), who, 1, &[7; 32], &records_hash(&zone))
}

fn advance<T: Config>(blocks: BlockNumberFor<T>) {
    frame_system::Pallet::<T>::set_block_number(frame_system::Pallet::<T>::block_number() + blocks);
}

fn ready_to_register<T: Config>(who: &T::AccountId, label: &LabelBytes, sets: &[RrSet]) {
    existing_treasury::<T>();
    Pallet::<T>::do_commit(who.clone(), hash_for::<T>(who, label, sets)).expect("the caller is rich");
    advance::<T>(T::CommitmentAgeMinBlocks::get());
}

fn records_of(sets: Vec<RrSet>) -> Records {
    BoundedVec::truncate_from(sets)
}

fn registered<T: Config>(who: &T::AccountId, label: &LabelBytes, sets: Vec<RrSet>) {
    ready_to_register::<T>(who, label, &sets);
    let most = T::NativeBalance::balance(who);
    Pallet::<T>::do_register(who.clone(), label.clone(), 1, [7; 32], records_of(sets), most)
        .expect("the commitment is old enough");
}

/// Delegates subdomains 100 and up.
fn delegated<T: Config>(who: &T::AccountId, label: &LabelBytes, count: u32, to: &T::AccountId) {
    for number in 0..count {
        Pallet::<T>::do_set_subdomain_owner(who.clone(), label.clone(), long_label(100 + number), to.clone())
            .expect("the caller owns the name");
    }
}

fn filled<T: Config>(who: &T::AccountId, label: &LabelBytes, subdomain: Option<LabelBytes>) {
    Pallet::<T>::do_change_zone(who.clone(), label.clone(), subdomain, |zone| {
        *zone = Zone::from_sets(full())?;
        Ok(())
    })
    .expect("the caller owns the zone");
}

fn own_zone<T: Config>(label: &LabelBytes) -> Zone {
    Zones::<T>::get(ZoneKey { label: parsed(label), subdomain: None })
}

fn to_end_of_grace<T: Config>(label: &LabelBytes) {
    let registration = Names::<T>::get(parsed(label)).expect("the name is registered");
    frame_system::Pallet::<T>::set_block_number(registration.expires_at + T::GraceBlocks::get());
}

fn to_end_of_premium<T: Config>(label: &LabelBytes) {
    to_end_of_grace::<T>(label);
    advance::<T>(T::PremiumHalvingBlocks::get() * PREMIUM_HALVINGS.into());
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn commit() {
        let who = rich::<T>("who");
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), [1; 32]);
        assert!(Commitments::<T>::contains_key(&who, [1; 32]));
    }

    #[benchmark]
    fn register(r: Linear<0, RECORDS_MAX>, b: Linear<0, TEXT_BYTES_MAX>) {
        let (former, who, label) = (rich::<T>("former"), rich::<T>("who"), long_label(1));
        registered::<T>(&former, &label, full());
        delegated::<T>(&former, &label, SUBDOMAINS_MAX, &former);
        to_end_of_grace::<T>(&label);
        ready_to_register::<T>(&who, &label, &sets(r, b));
        let most = T::NativeBalance::balance(&who);
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), label.clone(), 1, [7; 32], records_of(sets(r, b)), most);
        assert_eq!(Names::<T>::get(parsed(&label)).map(|found| found.owner), Some(who));
    }

    #[benchmark]
    fn renew() {
        let (owner, who, label) = (rich::<T>("owner"), rich::<T>("who"), long_label(1));
        registered::<T>(&owner, &label, vec![]);
        let before = Names::<T>::get(parsed(&label)).expect("the name is registered").expires_at;
        let most = T::NativeBalance::balance(&who);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone(), 1, most);
        let after = Names::<T>::get(parsed(&label)).expect("the name is registered").expires_at;
        assert_eq!(after, before + T::YearBlocks::get());
    }

    #[benchmark]
    fn set_rrset() {
        let (who, label) = (rich::<T>("who"), long_label(1));
        registered::<T>(&who, &label, full());
        delegated::<T>(&who, &label, SUBDOMAINS_MAX, &who);
        let set = rrset("a.b.c.a00", rr::A, vec![vec![9; 4]]);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone(), None, set.clone());
        assert_eq!(own_zone::<T>(&label).get(&set.name, rr::A), Some(&set));
    }

    #[benchmark]
    fn clear_rrset() {
        let (who, label) = (rich::<T>("who"), long_label(1));
        registered::<T>(&who, &label, full());
        delegated::<T>(&who, &label, SUBDOMAINS_MAX, &who);
        let name = RelativeName::parse("a00").expect("benchmarks use valid names");
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone(), None, name.clone(), rr::A);
        assert_eq!(own_zone::<T>(&label).get(&name, rr::A), None);
    }

    #[benchmark]
    fn replace_zone(r: Linear<0, RECORDS_MAX>, b: Linear<0, TEXT_BYTES_MAX>) {
        let (who, label) = (rich::<T>("who"), long_label(1));
        registered::<T>(&who, &label, full());
        delegated::<T>(&who, &label, SUBDOMAINS_MAX, &who);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone(), None, records_of(sets(r, b)));
        assert_eq!(own_zone::<T>(&label).rrsets().len(), sets(r, b).len());
    }

    #[benchmark]
    fn set_subdomain_owner() {
        let (former, who, label) = (rich::<T>("former"), rich::<T>("who"), long_label(1));
        // Of an earlier registration there is a delegation of the last label, with a full zone.
        let subdomain = long_label(100 + SUBDOMAINS_MAX - 1);
        registered::<T>(&former, &label, vec![]);
        Pallet::<T>::do_set_subdomain_owner(former.clone(), label.clone(), subdomain.clone(), former.clone())
            .expect("the caller owns the name");
        filled::<T>(&former, &label, Some(subdomain.clone()));
        Pallet::<T>::do_release(former, label.clone()).expect("the caller owns the name");
        registered::<T>(&who, &label, full());
        delegated::<T>(&who, &label, SUBDOMAINS_MAX - 1, &who);
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), label.clone(), subdomain.clone(), who.clone());
        let info = Subdomains::<T>::get((parsed(&label), parsed(&subdomain))).expect("it is delegated");
        assert_eq!((info.owner, info.generation), (who, 1));
    }

    #[benchmark]
    fn revoke_subdomain() {
        let (who, other, label) = (rich::<T>("who"), rich::<T>("other"), long_label(1));
        let subdomain = long_label(100);
        registered::<T>(&who, &label, full());
        delegated::<T>(&who, &label, SUBDOMAINS_MAX, &other);
        filled::<T>(&other, &label, Some(subdomain.clone()));
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone(), subdomain.clone());
        assert!(!Subdomains::<T>::contains_key((parsed(&label), parsed(&subdomain))));
    }

    #[benchmark]
    fn purge_subdomain() {
        let (who, other, label) = (rich::<T>("who"), rich::<T>("other"), long_label(1));
        let subdomain = long_label(100);
        registered::<T>(&who, &label, full());
        delegated::<T>(&who, &label, SUBDOMAINS_MAX, &other);
        filled::<T>(&other, &label, Some(subdomain.clone()));
        to_end_of_grace::<T>(&label);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone(), subdomain.clone());
        assert!(!Subdomains::<T>::contains_key((parsed(&label), parsed(&subdomain))));
    }

    #[benchmark]
    fn propose_transfer() {
        let (who, other, label) = (rich::<T>("who"), rich::<T>("other"), long_label(1));
        registered::<T>(&who, &label, vec![]);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone(), Some(other.clone()));
        assert_eq!(Names::<T>::get(parsed(&label)).and_then(|found| found.pending_transfer), Some(other));
    }

    #[benchmark]
    fn accept_transfer(s: Linear<0, SUBDOMAINS_MAX>) {
        let (owner, who, label) = (rich::<T>("owner"), rich::<T>("who"), long_label(1));
        registered::<T>(&owner, &label, full());
        delegated::<T>(&owner, &label, s, &owner);
        Pallet::<T>::do_propose_transfer(owner, label.clone(), Some(who.clone())).expect("the caller owns the name");
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), label.clone());
        assert_eq!(Names::<T>::get(parsed(&label)).map(|found| found.owner), Some(who));
    }

    #[benchmark]
    fn set_manager() {
        let (who, other, label) = (rich::<T>("who"), rich::<T>("other"), long_label(1));
        registered::<T>(&who, &label, vec![]);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone(), Some(other.clone()));
        assert_eq!(Names::<T>::get(parsed(&label)).and_then(|found| found.manager), Some(other));
    }

    #[benchmark]
    fn set_primary() {
        let (who, label) = (rich::<T>("who"), long_label(1));
        let mut records = full();
        records.push(rrset("@", rr::ACCOUNT, vec![who.encode()]));
        registered::<T>(&who, &label, records);
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), Some(label.clone()));
        assert_eq!(Pallet::<T>::primary_of(&who), Some(parsed(&label)));
    }

    #[benchmark]
    fn release() {
        let (who, label) = (rich::<T>("who"), long_label(1));
        registered::<T>(&who, &label, full());
        delegated::<T>(&who, &label, SUBDOMAINS_MAX, &who);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone());
        assert!(!Names::<T>::contains_key(parsed(&label)));
    }

    #[benchmark]
    fn purge_commitment() {
        let (owner, who) = (rich::<T>("owner"), rich::<T>("who"));
        Pallet::<T>::do_commit(owner.clone(), [1; 32]).expect("the owner is rich");
        advance::<T>(T::CommitmentAgeMaxBlocks::get() + 1u32.into());
        #[extrinsic_call]
        _(RawOrigin::Signed(who), owner.clone(), [1; 32]);
        assert!(!Commitments::<T>::contains_key(&owner, [1; 32]));
    }

    #[benchmark]
    fn purge_expired() {
        let (owner, who, label) = (rich::<T>("owner"), rich::<T>("who"), long_label(1));
        registered::<T>(&owner, &label, full());
        delegated::<T>(&owner, &label, SUBDOMAINS_MAX, &owner);
        to_end_of_premium::<T>(&label);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), label.clone());
        assert!(!Names::<T>::contains_key(parsed(&label)));
    }

    #[benchmark]
    fn force_reserve() -> Result<(), BenchmarkError> {
        let origin = T::GovernanceOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;
        let (who, label) = (rich::<T>("who"), long_label(1));
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, label.clone(), Some(Reservation::For(who.clone())));
        assert_eq!(Reserved::<T>::get(parsed(&label)), Some(Reservation::For(who)));
        Ok(())
    }

    #[benchmark]
    fn on_idle_base() {
        let (who, label) = (rich::<T>("who"), long_label(1));
        registered::<T>(&who, &label, full());
        let now = frame_system::Pallet::<T>::block_number();
        #[block]
        {
            Pallet::<T>::do_purge_due(now, Weight::MAX);
        }
        assert!(Names::<T>::contains_key(parsed(&label)));
    }

    #[benchmark]
    fn on_idle_purge() {
        let (who, label) = (rich::<T>("who"), long_label(1));
        registered::<T>(&who, &label, full());
        delegated::<T>(&who, &label, SUBDOMAINS_MAX, &who);
        to_end_of_premium::<T>(&label);
        let now = frame_system::Pallet::<T>::block_number();
        #[block]
        {
            Pallet::<T>::do_purge_due(now, Weight::MAX);
        }
        assert!(!Names::<T>::contains_key(parsed(&label)));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::ExtBuilder.build(), crate::mock::Test);
}
