// SPDX-License-Identifier: Apache-2.0

//! Everything this crate uses of the chain, checked against the committed metadata of the runtime (`metadata.scale`).
//!
//! Names come from the sources themselves, so that nothing can be forgotten; types are checked by decoding generated
//! samples of what the runtime would send.

use std::{collections::BTreeSet, sync::Arc};

use cairn_primitives::storage::{shard_id, Node, Range, ShardSize, SlotAt};
use codec::{Compact, Encode};
use scale_info::{form::PortableForm, PortableRegistry, TypeDef, TypeDefPrimitive};
use subxt::{
    config::substrate::SpecVersionForRange,
    ext::{codec::Decode, scale_decode::DecodeAsType, scale_value},
    Metadata, OfflineClient, OfflineClientAtBlock, SubstrateConfig,
};

use super::{
    accounts::*,
    clock::*,
    contracts, names as names_,
    pools::{self, Pool, PoolMember},
    session,
    staking::{self, *},
    storage, vaults,
};
use crate::{
    account::{dry_run_args, DISPATCH_API},
    view::decode,
    AccountId, Call, DispatchError,
};

const SOURCES: [&str; 9] = [
    include_str!("accounts.rs"),
    include_str!("clock.rs"),
    include_str!("contracts.rs"),
    include_str!("names.rs"),
    include_str!("pools.rs"),
    include_str!("session.rs"),
    include_str!("staking.rs"),
    include_str!("storage.rs"),
    include_str!("vaults.rs"),
];

fn metadata() -> Metadata {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/metadata.scale");
    let bytes = std::fs::read(path).unwrap_or_else(|error| {
        panic!("{path}: {error}. Make it with `cairn chain metadata --output {path} --overwrite` and a running node")
    });
    Metadata::decode(&mut &bytes[..]).expect("metadata.scale is the runtime's metadata")
}

fn offline() -> OfflineClientAtBlock<SubstrateConfig> {
    let config = SubstrateConfig::builder()
        .set_metadata_for_spec_versions([(1, Arc::new(metadata()))])
        .set_spec_version_for_block_ranges([SpecVersionForRange {
            block_range: 0..u64::MAX,
            spec_version: 1,
            transaction_version: 1,
        }])
        .build();
    OfflineClient::new_with_config(config).at_block(0u64).expect("configured for every block")
}

/// What follows `("Pallet", "name"` in a call of one of the reading or calling functions.
fn names(function: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for source in SOURCES {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        for after in code.split(function).skip(1) {
            // Type parameters, the opening parenthesis, line breaks.
            let Some(open) =
                after.find('(').filter(|open| after[..*open].chars().all(|c| !c.is_whitespace() || c == ' '))
            else {
                continue;
            };
            let mut parts = after[open + 1..].split('"');
            let lead = parts.next().unwrap_or_default();
            if !lead.trim().is_empty() {
                continue;
            }
            if let (Some(pallet), Some(between), Some(name)) = (parts.next(), parts.next(), parts.next()) {
                if between.trim() == "," {
                    found.insert((pallet.to_string(), name.to_string()));
                }
            }
        }
    }
    found
}

#[test]
fn every_storage_entry_and_constant_exists() {
    let metadata = metadata();
    let mut entries = BTreeSet::new();
    for function in [
        ".get",
        ".value",
        ".entries",
        "DynamicAddress::<(AccountId,), Value>::new",
        "DynamicAddress::<(AccountId,), ValidatorPrefs>::new",
    ] {
        entries.extend(names(function));
    }
    assert!(entries.len() > 30, "the sources are not read: {entries:?}");
    for (pallet, entry) in entries {
        let pallet_metadata = metadata.pallet_by_name(&pallet).unwrap_or_else(|| panic!("no pallet {pallet}"));
        let storage = pallet_metadata.storage().unwrap_or_else(|| panic!("{pallet} has no storage"));
        assert!(storage.entry_by_name(&entry).is_some(), "there is no {pallet}.{entry}");
    }
    let constants = names(".constant");
    assert!(constants.len() >= 7, "the sources are not read: {constants:?}");
    for (pallet, constant) in constants {
        let pallet_metadata = metadata.pallet_by_name(&pallet).unwrap_or_else(|| panic!("no pallet {pallet}"));
        assert!(pallet_metadata.constant_by_name(&constant).is_some(), "there is no constant {pallet}.{constant}");
    }
}

#[test]
fn every_runtime_api_exists() {
    let metadata = metadata();
    for (api, method) in names(".api") {
        let api_metadata = metadata.runtime_api_trait_by_name(&api).unwrap_or_else(|| panic!("no runtime API {api}"));
        assert!(api_metadata.method_by_name(&method).is_some(), "there is no {api}.{method}");
    }
}

#[test]
fn every_call_is_encoded_by_the_runtimes_own_types() {
    let at = offline();
    let (alice, bob) = (AccountId::from([1; 32]), AccountId::from([2; 32]));
    let gas = contracts::Weight { ref_time: 1, proof_size: 2 };
    let existing = contracts::Code::Existing([3; 32]);
    let upload = contracts::Code::Upload(vec![0, 1, 2]);
    let calls = [
        transfer_keep_alive(&alice, 1),
        transfer_allow_death(&alice, u128::MAX),
        transfer_all(&alice, true),
        bond(5),
        bond_extra(5),
        unbond(5),
        withdraw_unbonded(1),
        validate(50_000_000, false),
        nominate(&[alice, bob]),
        chill(),
        payout(&alice, 7),
        set_payee(&RewardDestination::Account(bob)),
        set_payee(&RewardDestination::Staked),
        session::purge_keys(),
        pools::join(1, 2),
        pools::create(1, &alice),
        pools::nominate(1, &[alice, bob]),
        pools::chill(1),
        pools::close(1),
        pools::unbond(&alice, 1),
        pools::withdraw_unbonded(&alice, 1),
        pools::claim_payout(),
        contracts::upload_code(&[0, 1], None),
        contracts::upload_code(&[0, 1], Some(7)),
        contracts::instantiate(1, gas, None, &existing, &[1], &[]),
        contracts::instantiate(1, gas, Some(1), &upload, &[], &[2]),
        contracts::call(&alice, 1, gas, Some(2), &[1, 2, 3]),
        names_::commit(&[7; 32]),
        names_::register(&label(), 2, &[8; 32], &zone(), 9),
        names_::purge_commitment(&alice, &[7; 32]),
        names_::renew(&label(), 3, 10),
        names_::set_rrset(&label(), Some(&label()), &zone().rrsets()[0]),
        names_::clear_rrset(&label(), None, &names_::RelativeName::apex(), 1),
        names_::replace_zone(&label(), None, &zone()),
        names_::set_subdomain_owner(&label(), &label(), &bob),
        names_::revoke_subdomain(&label(), &label()),
        names_::propose_transfer(&label(), Some(&bob)),
        names_::accept_transfer(&label()),
        names_::set_manager(&label(), None),
        names_::set_primary(Some(&label())),
        names_::release(&label()),
        storage::create_drive(storage::Coding::K4, 1, 2, 3, storage::Visibility::Public([4; 32])),
        storage::top_up(1, 2),
        storage::resize(1, 2),
        storage::checkpoint(1, &checkpoint()),
        storage::trim(1, 2, 3),
        storage::set_visibility(1, storage::Visibility::Private),
        storage::grant(1, &bob, storage::Role::Writer, Some(9), &[5; 80]),
        storage::revoke(1, &bob),
        storage::transfer_drive(1, &bob),
        storage::close(1),
        storage::publish_key(&[6; 32]),
        storage::prove(&[7; 32], &[chunk_proof()]),
        storage::restore(SlotAt { drive: 1, slot: 2 }, Some(&chunk_proof())),
        storage::restore(SlotAt { drive: 1, slot: 2 }, None),
        storage::leave_slots(&[SlotAt { drive: 1, slot: 2 }]),
        storage::decline_slots(&[SlotAt { drive: 1, slot: 2 }]),
        storage::report_unserved(&[(SlotAt { drive: 1, slot: 2 }, 3)]),
        storage::redraw(1, &[2, 3]),
        storage::dispute(SlotAt { drive: 1, slot: 2 }, 3),
        storage::answer_dispute(SlotAt { drive: 1, slot: 2 }, &chunk_proof()),
        vaults::register(1, 2, &["127.0.0.1:7700".into()], &[8; 32], 9),
        vaults::update(Some(1), None, Some(&["[::1]:7700".into()]), Some(&[8; 32])),
        vaults::set_paused(true),
        vaults::bond_more(1),
        vaults::unbond(1),
        vaults::begin_exit(),
        vaults::finish_exit(),
    ];
    let encoded = |call: &Call| {
        at.transactions().call_data(&call.payload).unwrap_or_else(|error| panic!("{}: {error}", call.name()))
    };
    for call in &calls {
        let bytes = encoded(call);
        let again = at.transactions().from_call_data_bytes(&bytes).expect("own bytes");
        assert_eq!(at.transactions().call_data(&again).expect("encodes again"), bytes, "{}", call.name());
    }
    let batch = Call::batch(calls.clone());
    // The two bytes that name it, and the number of calls.
    let before = 2 + Compact(calls.len() as u32).encode().len();
    assert_eq!(encoded(&batch).len(), before + calls.iter().map(|call| encoded(call).len()).sum::<usize>());
}

fn label() -> names_::Label {
    names_::Label::try_from(&b"blog"[..]).expect("valid")
}

/// One set at the apex with two records, one below.
fn zone() -> names_::Zone {
    let set = |name: &str, data: &[&[u8]]| {
        let rdata: Vec<names_::Rdata> = data.iter().map(|data| data.to_vec().try_into().expect("short")).collect();
        let name = names_::RelativeName::parse(name).expect("valid");
        names_::RrSet { name, rtype: names_::rr::A, ttl_seconds: 300, rdata: rdata.try_into().expect("few") }
    };
    let sets = vec![set("", &[&[192, 0, 2, 1], &[192, 0, 2, 2]]), set("www", &[&[192, 0, 2, 3]])];
    names_::Zone::from_sets(sets).expect("valid")
}

fn checkpoint() -> storage::Checkpoint {
    storage::Checkpoint {
        expected_version: 1,
        units: 2,
        until_block: 3,
        roots: vec![[3; 32]; 4],
        signatures: vec![Some([4; 64]), None, Some([5; 64]), Some([6; 64])],
        head: vec![7; 60],
    }
}

/// Of the second of three shards.
fn chunk_proof() -> storage::ChunkProof {
    let shards: Vec<Vec<u8>> = (0..3u8).map(|byte| vec![byte; ShardSize::K16.bytes()]).collect();
    let (mut range, mut nodes) = (Range::default(), std::collections::HashMap::new());
    for shard in &shards {
        let leaf = Node::leaf(&shard_id(shard), ShardSize::K16);
        assert!(range.append(leaf, |at, node| assert_eq!(nodes.insert(at, node), None)));
    }
    storage::ChunkProof::new(&range, 21, 1, 4, &shards[1], |at| nodes.get(&at).copied()).expect("it is there")
}

/// Proofs and checkpoints are put into calls field by field; the bytes must be those of the types that the runtime decodes.
#[test]
fn proofs_and_checkpoints_are_encoded_as_the_runtime_decodes_them() {
    let at = offline();
    let args = |call: Call| at.transactions().call_data(&call.payload).expect("encodes")[2..].to_vec();
    let (proof, slot) = (chunk_proof(), SlotAt { drive: 1, slot: 2 });
    assert_eq!(
        args(storage::prove(&[7; 32], &[proof.clone(), proof.clone()])),
        ([7u8; 32], vec![&proof, &proof]).encode()
    );
    assert_eq!(args(storage::restore(slot, Some(&proof))), (1u64, 2u8, Some(&proof)).encode());
    assert_eq!(args(storage::restore(slot, None)), (1u64, 2u8, None::<u8>).encode());
    assert_eq!(args(storage::answer_dispute(slot, &proof)), (1u64, 2u8, &proof).encode());
    let made = checkpoint();
    assert_eq!(
        args(storage::checkpoint(1, &made)),
        (1u64, made.expected_version, made.units, made.until_block, &made.roots, &made.signatures, &made.head).encode()
    );
    assert_eq!(
        args(storage::create_drive(storage::Coding::K4, 1, 2, 3, storage::Visibility::Public([4; 32]))),
        (storage::Coding::K4, 1u64, 2u128, 3u128, storage::Visibility::Public([4; 32])).encode()
    );
}

/// Zones are put into calls field by field; the bytes must be those of the type that the runtime decodes.
#[test]
fn zones_are_encoded_as_the_runtime_decodes_them() {
    let at = offline();
    let args = |call: Call| at.transactions().call_data(&call.payload).expect("encodes")[2..].to_vec();
    let (bytes, zone) = (b"blog".to_vec(), zone());
    assert_eq!(
        args(names_::register(&label(), 2, &[8; 32], &zone, 9)),
        (&bytes, 2u8, [8u8; 32], &zone, 9u128).encode()
    );
    let set = zone.rrsets()[1].clone();
    assert_eq!(args(names_::set_rrset(&label(), Some(&label()), &set)), (&bytes, Some(&bytes), &set).encode());
    assert_eq!(
        args(names_::clear_rrset(&label(), None, &set.name, 1)),
        (&bytes, None::<Vec<u8>>, &set.name, 1u16).encode()
    );
}

/// Arguments that were encoded by hand are, byte for byte, of the types that the runtime's method takes.
fn check_arguments(metadata: &Metadata, api: &str, method: &str, args: &[u8]) {
    let api = metadata.runtime_api_trait_by_name(api).unwrap_or_else(|| panic!("no {api}"));
    let method = api.method_by_name(method).unwrap_or_else(|| panic!("no {method}"));
    let mut input = args;
    for argument in method.inputs() {
        scale_value::scale::decode_as_type(&mut input, argument.id, metadata.types())
            .unwrap_or_else(|error| panic!("{}.{}: {error}", method.name(), argument.name));
    }
    assert!(input.is_empty(), "{}: arguments are left over", method.name());
}

#[test]
fn the_dispatch_api_has_the_layout_that_is_written_by_hand() {
    let (metadata, at, account) = (&metadata(), offline(), AccountId::from([1; 32]));
    let call = at.transactions().call_data(&transfer_keep_alive(&account, 1).payload).expect("valid");
    check_arguments(metadata, DISPATCH_API, "dry_run", &dry_run_args(&account, call));
    let api = metadata.runtime_api_trait_by_name(DISPATCH_API).expect("checked above");
    let output = api.method_by_name("dry_run").expect("checked above").output_ty();
    let mut bytes = Vec::new();
    for choice in 0..20 {
        bytes.clear();
        sample(metadata.types(), output, choice, 0, &mut bytes);
        assert!(decode::<Result<(), DispatchError>>(&bytes).is_ok(), "the type here is not the runtime's: {bytes:?}");
    }
    assert!(matches!(decode(&[1, 2]), Ok(Err::<(), _>(DispatchError::BadOrigin))));
}

/// Their arguments and answers are encoded by hand.
#[test]
fn the_names_api_has_the_layout_that_is_written_by_hand() {
    let metadata = &metadata();
    let api_name = "NamesApi";
    let api = metadata.runtime_api_trait_by_name(api_name).expect("the runtime has names");
    let label = label();
    let bytes = label.as_bytes();
    for (method, args) in [
        ("resolve", bytes.encode()),
        ("price", (bytes, 2u8).encode()),
        ("renewal_price", (bytes, 2u8).encode()),
        ("names_after", (Some(bytes), 5u32).encode()),
        ("primary_of", AccountId::from([1; 32]).encode()),
    ] {
        check_arguments(metadata, api_name, method, &args);
    }
    let resolved = names_::Resolved {
        owner: AccountId::from([1; 32]),
        expires_at_block: 2,
        grace_until_block: 3,
        generation: 4,
        version: 5,
        zones: vec![names_::ResolvedZone { subdomain: Some(label.clone()), zone: zone() }],
    };
    for (method, answer) in [
        ("resolve", Some(&resolved).encode()),
        ("price", Some(1u128).encode()),
        ("renewal_price", Some(1u128).encode()),
        ("names_after", vec![(&label, Some(&resolved))].encode()),
        ("primary_of", Some(bytes).encode()),
    ] {
        let method = api.method_by_name(method).expect("checked above");
        let mut input = &answer[..];
        scale_value::scale::decode_as_type(&mut input, method.output_ty(), metadata.types())
            .unwrap_or_else(|error| panic!("{}: {error}", method.name()));
        assert!(input.is_empty(), "{}: bytes are left over", method.name());
    }
}

#[test]
fn the_storage_api_has_the_layout_that_is_written_by_hand() {
    let metadata = &metadata();
    let api_name = "StorageApi";
    let api = metadata.runtime_api_trait_by_name(api_name).expect("the runtime has storage");
    let (account, slot) = (AccountId::from([1; 32]), SlotAt { drive: 1, slot: 2 });
    let arguments = [
        ("terms", ().encode()),
        ("vault", account.encode()),
        ("vaults_after", (Some(account), 5u32).encode()),
        ("eligible_vaults", (1u128, 2u64).encode()),
        ("drive", 1u64.encode()),
        ("drives_of", account.encode()),
        ("slots_of", (account, Some(slot), 5u32).encode()),
        ("challenge", account.encode()),
        ("dispute", slot.encode()),
        ("grant", (1u64, account).encode()),
        ("grants_of", 1u64.encode()),
        ("granted_to", account.encode()),
        ("sealing_key", account.encode()),
        ("repair", ().encode()),
    ];
    assert_eq!(api.methods().count(), arguments.len(), "a method is not in this test");
    for (method, args) in arguments {
        check_arguments(metadata, api_name, method, &args);
    }
    // Samples of what the runtime may answer decode to the types that are used here.
    fn check<T: codec::DecodeAll>(metadata: &Metadata, api: &str, method: &str) {
        let api = metadata.runtime_api_trait_by_name(api).expect("checked above");
        let id = api.method_by_name(method).expect("checked above").output_ty();
        for choice in 0..6 {
            let mut bytes = Vec::new();
            sample(metadata.types(), id, choice, 0, &mut bytes);
            assert!(T::decode_all(&mut &bytes[..]).is_ok(), "{method}, choice {choice}");
        }
    }
    check::<storage::Terms>(metadata, api_name, "terms");
    check::<Option<vaults::Vault>>(metadata, api_name, "vault");
    check::<Vec<vaults::Vault>>(metadata, api_name, "vaults_after");
    check::<u32>(metadata, api_name, "eligible_vaults");
    check::<Option<storage::Drive>>(metadata, api_name, "drive");
    check::<Vec<storage::DriveId>>(metadata, api_name, "drives_of");
    check::<Vec<vaults::HeldSlot>>(metadata, api_name, "slots_of");
    check::<Option<vaults::Challenge>>(metadata, api_name, "challenge");
    check::<Option<storage::Dispute>>(metadata, api_name, "dispute");
    check::<Option<storage::GrantInfo>>(metadata, api_name, "grant");
    check::<Vec<(AccountId, storage::GrantInfo)>>(metadata, api_name, "grants_of");
    check::<Vec<storage::DriveId>>(metadata, api_name, "granted_to");
    check::<Option<[u8; 32]>>(metadata, api_name, "sealing_key");
    check::<(u128, u32)>(metadata, api_name, "repair");
}

/// All calls that the sources make are in the test above.
#[test]
fn every_call_exists() {
    let metadata = metadata();
    let made = names("Call::new");
    assert!(made.len() >= 20, "the sources are not read: {made:?}");
    for (pallet, call) in made {
        let pallet_metadata = metadata.pallet_by_name(&pallet).unwrap_or_else(|| panic!("no pallet {pallet}"));
        assert!(pallet_metadata.call_variant_by_name(&call).is_some(), "there is no {pallet}.{call}");
    }
}

/// Bytes that the runtime may send for a type: lists and options hold one element, enums their `choice`th variant.
fn sample(types: &PortableRegistry, id: u32, choice: usize, depth: usize, out: &mut Vec<u8>) {
    assert!(depth < 30, "a type contains itself");
    let ty = types.resolve(id).expect("the metadata is complete");
    let next = |id: u32, out: &mut Vec<u8>| sample(types, id, choice, depth + 1, out);
    match &ty.type_def {
        TypeDef::Composite(composite) => composite.fields.iter().for_each(|field| next(field.ty.id, out)),
        TypeDef::Variant(variants) => {
            let variant = &variants.variants[choice % variants.variants.len()];
            out.push(variant.index);
            variant.fields.iter().for_each(|field| next(field.ty.id, out));
        },
        TypeDef::Sequence(sequence) => {
            Compact(1u32).encode_to(out);
            next(sequence.type_param.id, out);
        },
        TypeDef::Array(array) => (0..array.len).for_each(|_| next(array.type_param.id, out)),
        TypeDef::Tuple(tuple) => tuple.fields.iter().for_each(|field| next(field.id, out)),
        TypeDef::Compact(_) => Compact(3u32).encode_to(out),
        TypeDef::BitSequence(_) => Compact(0u32).encode_to(out),
        TypeDef::Primitive(primitive) => out.resize(out.len() + width(primitive), 1),
    }
}

fn width(primitive: &TypeDefPrimitive) -> usize {
    use TypeDefPrimitive as P;
    match primitive {
        P::Bool | P::U8 | P::I8 => 1,
        P::U16 | P::I16 => 2,
        P::Char | P::U32 | P::I32 => 4,
        P::U64 | P::I64 => 8,
        P::U128 | P::I128 => 16,
        P::U256 | P::I256 => 32,
        P::Str => 0,
    }
}

fn check_decodes<V: DecodeAsType>(metadata: &Metadata, id: u32, what: &str) {
    for choice in 0..6 {
        let mut bytes = Vec::new();
        sample(metadata.types(), id, choice, 0, &mut bytes);
        let mut input = &bytes[..];
        let decoded = V::decode_as_type(&mut input, id, metadata.types());
        assert!(decoded.is_ok(), "{what}: {}", decoded.err().map(|error| error.to_string()).unwrap_or_default());
        assert!(input.is_empty(), "{what}: bytes are left over");
    }
}

fn check_storage<V: DecodeAsType>(metadata: &Metadata, pallet: &str, entry: &str, keys: usize) {
    use subxt::ext::frame_decode::storage::StorageTypeInfo;
    let info = metadata.storage_info(pallet, entry).unwrap_or_else(|error| panic!("{pallet}.{entry}: {error}"));
    assert_eq!(info.keys.len(), keys, "{pallet}.{entry} has another number of keys");
    check_decodes::<V>(metadata, info.value_id, &format!("{pallet}.{entry}"));
}

#[test]
fn storage_has_the_types_that_are_read() {
    let metadata = &metadata();
    check_storage::<AccountInfo>(metadata, "System", "Account", 1);
    check_storage::<u128>(metadata, "Balances", "TotalIssuance", 0);
    check_storage::<u64>(metadata, "Timestamp", "Now", 0);
    for entry in ["EpochIndex", "CurrentSlot", "GenesisSlot"] {
        check_storage::<u64>(metadata, "Babe", entry, 0);
    }
    check_storage::<Vec<AccountId>>(metadata, "Session", "Validators", 0);
    check_storage::<u32>(metadata, "Session", "CurrentIndex", 0);
    check_storage::<ActiveEra>(metadata, "Staking", "ActiveEra", 0);
    check_storage::<AccountId>(metadata, "Staking", "Bonded", 1);
    check_storage::<Ledger>(metadata, "Staking", "Ledger", 1);
    check_storage::<RewardDestination>(metadata, "Staking", "Payee", 1);
    check_storage::<ValidatorPrefs>(metadata, "Staking", "Validators", 1);
    check_storage::<ValidatorPrefs>(metadata, "Staking", "ErasValidatorPrefs", 2);
    check_storage::<Nominations>(metadata, "Staking", "Nominators", 1);
    check_storage::<Exposure>(metadata, "Staking", "ErasStakersOverview", 2);
    check_storage::<staking::ExposurePage>(metadata, "Staking", "ErasStakersPaged", 3);
    check_storage::<Vec<staking::PendingSlash>>(metadata, "Staking", "UnappliedSlashes", 1);
    check_storage::<Vec<(u32, u32)>>(metadata, "Session", "DisabledValidators", 0);
    check_storage::<Vec<u32>>(metadata, "Staking", "ClaimedRewards", 2);
    check_storage::<u128>(metadata, "Staking", "ErasValidatorReward", 1);
    check_storage::<RewardPoints>(metadata, "Staking", "ErasRewardPoints", 1);
    for entry in ["CurrentEra", "ValidatorCount"] {
        check_storage::<u32>(metadata, "Staking", entry, 0);
    }
    for entry in ["MinNominatorBond", "MinValidatorBond"] {
        check_storage::<u128>(metadata, "Staking", entry, 0);
    }
    check_storage::<u32>(metadata, "Staking", "MinCommission", 0);
    check_storage::<names_::Registration>(metadata, "Names", "Names", 1);
    check_storage::<names_::Commitment>(metadata, "Names", "Commitments", 2);
    check_storage::<names_::PrimaryName>(metadata, "Names", "PrimaryNames", 1);
    check_storage::<names_::Reservation>(metadata, "Names", "Reserved", 1);
    check_storage::<PoolMember>(metadata, "NominationPools", "PoolMembers", 1);
    check_storage::<Pool>(metadata, "NominationPools", "BondedPools", 1);
    check_storage::<u32>(metadata, "NominationPools", "LastPoolId", 0);
    for entry in ["MinJoinBond", "MinCreateBond"] {
        check_storage::<u128>(metadata, "NominationPools", entry, 0);
    }
}

#[test]
fn constants_have_the_types_that_are_read() {
    let metadata = &metadata();
    fn check<V: DecodeAsType>(metadata: &Metadata, pallet: &str, name: &str) {
        let constant = metadata.pallet_by_name(pallet).and_then(|pallet| pallet.constant_by_name(name).cloned());
        let constant = constant.unwrap_or_else(|| panic!("no constant {pallet}.{name}"));
        check_decodes::<V>(metadata, constant.ty(), name);
    }
    check::<u128>(metadata, "Balances", "ExistentialDeposit");
    check::<u128>(metadata, "Session", "KeyDeposit");
    for name in ["CommitmentDeposit", "EntryDeposit", "ZoneDepositBase", "ZoneDepositPerByte"] {
        check::<u128>(metadata, "Names", name);
    }
    for name in ["CommitmentAgeMinBlocks", "CommitmentAgeMaxBlocks"] {
        check::<u32>(metadata, "Names", name);
    }
    check::<u64>(metadata, "Babe", "ExpectedBlockTime");
    check::<u64>(metadata, "Babe", "EpochDuration");
    for name in ["SessionsPerEra", "BondingDuration", "HistoryDepth"] {
        check::<u32>(metadata, "Staking", name);
    }
}

/// The contracts API's arguments and answers are encoded by hand; the runtime's types must agree byte for byte.
#[test]
fn the_contracts_api_has_the_layout_that_is_written_by_hand() {
    let metadata = &metadata();
    let api_name = "ContractsApi";
    let api = metadata.runtime_api_trait_by_name(api_name).expect("the runtime has contracts");
    let (alice, bob) = (AccountId::from([1; 32]), AccountId::from([2; 32]));
    let code = contracts::Code::Upload(vec![1, 2, 3]);
    for (method, args) in [
        ("upload_code", contracts::upload_args(&alice, &[1, 2, 3]).encode()),
        ("instantiate", contracts::instantiate_args(&alice, 7, code, &[4, 5], &[6]).encode()),
        ("call", contracts::call_args(&alice, &bob, 7, &[4, 5]).encode()),
    ] {
        check_arguments(metadata, api_name, method, &args);
    }
    let answer = |method: &str, choice: usize| {
        let method = api.method_by_name(method).expect("checked above");
        let mut bytes = Vec::new();
        sample(metadata.types(), method.output_ty(), choice, 0, &mut bytes);
        bytes
    };
    // Variant 0 of everything is `Ok`, variant 1 `Err` and a refund.
    let trial = contracts::read_dry_run(metadata, &answer("call", 0), contracts::read_returned).expect("readable");
    assert_eq!(trial.result.expect("Ok").data.len(), 1);
    assert_eq!(trial.gas_required, contracts::Weight { ref_time: 3, proof_size: 3 });
    let trial =
        contracts::read_dry_run(metadata, &answer("instantiate", 0), contracts::read_instantiated).expect("readable");
    assert_eq!(trial.result.expect("Ok").account, AccountId::from([1; 32]));
    let trial = contracts::read_dry_run(metadata, &answer("call", 1), contracts::read_returned).expect("readable");
    assert!(trial.result.is_err());
}

/// Dispatch errors are decoded by hand too.
#[test]
fn dispatch_errors_have_the_variants_that_are_known() {
    let metadata = metadata();
    let variants = |path: &str| -> Vec<(u8, String)> {
        let find = |ty: &&scale_info::PortableType| ty.ty.path.segments.join("::") == path;
        let ty: &scale_info::Type<PortableForm> = &metadata.types().types.iter().find(find).expect(path).ty;
        let TypeDef::Variant(variants) = &ty.type_def else { panic!("{path} is no enum") };
        variants.variants.iter().map(|variant| (variant.index, variant.name.clone())).collect()
    };
    let numbered = |names: &[&str]| -> Vec<(u8, String)> {
        names.iter().enumerate().map(|(index, name)| (index as u8, name.to_string())).collect()
    };
    assert_eq!(
        variants("sp_runtime::DispatchError"),
        numbered(&[
            "Other",
            "CannotLookup",
            "BadOrigin",
            "Module",
            "ConsumerRemaining",
            "NoProviders",
            "TooManyConsumers",
            "Token",
            "Arithmetic",
            "Transactional",
            "Exhausted",
            "Corruption",
            "Unavailable",
            "RootNotAllowed",
            "Trie",
        ])
    );
    assert_eq!(
        variants("sp_runtime::TokenError"),
        numbered(&[
            "FundsUnavailable",
            "OnlyProvider",
            "BelowMinimum",
            "CannotCreate",
            "UnknownAsset",
            "Frozen",
            "Unsupported",
            "CannotCreateHold",
            "NotExpendable",
            "Blocked",
        ])
    );
    assert_eq!(variants("sp_arithmetic::ArithmeticError"), numbered(&["Underflow", "Overflow", "DivisionByZero"]));
}

/// Transactions are signed with these; an extension that subxt doesn't know would make every signature invalid.
#[test]
fn all_transaction_extensions_are_known() {
    let metadata = metadata();
    let extrinsic = metadata.extrinsic();
    let known = [
        "CheckNonZeroSender",
        "CheckSpecVersion",
        "CheckTxVersion",
        "CheckGenesis",
        "CheckMortality",
        "CheckNonce",
        "CheckWeight",
        "ChargeTransactionPayment",
        "CheckMetadataHash",
        "WeightReclaim",
    ];
    for extension in extrinsic.transaction_extensions_by_version(0).expect("version 0 is in use") {
        assert!(
            known.contains(&extension.identifier()),
            "{} is new: check that subxt encodes it",
            extension.identifier()
        );
    }
}

/// Remedies are for errors that exist.
#[test]
fn remedies_name_errors_of_the_runtime() {
    let metadata = metadata();
    let source = include_str!("../refusal/remedies.rs");
    let mut checked = 0;
    for code in source.split('"').filter(|text| text.contains("::")) {
        let Some((pallet, error)) = code.split_once("::") else { continue };
        if pallet == "Token" {
            continue;
        }
        let pallet_metadata = metadata.pallet_by_name(pallet).unwrap_or_else(|| panic!("no pallet {pallet}"));
        let errors = pallet_metadata.error_variants().unwrap_or_default();
        assert!(errors.iter().any(|variant| variant.name == error), "there is no error {code}");
        checked += 1;
    }
    assert!(checked > 30);
}
