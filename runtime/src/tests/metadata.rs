// SPDX-License-Identifier: Apache-2.0

use super::*;
use codec::Decode;
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use frame_support::traits::Get;

fn metadata(version: u32) -> RuntimeMetadata {
    let opaque = sp_io::TestExternalities::default()
        .execute_with(|| Runtime::metadata_at_version(version))
        .unwrap_or_else(|| panic!("metadata version {version} is provided"));
    RuntimeMetadataPrefixed::decode(&mut &opaque[..]).expect("metadata decodes").1
}

#[test]
fn all_metadata_versions_of_the_field_are_provided() {
    assert!(matches!(metadata(14), RuntimeMetadata::V14(_)));
    assert!(matches!(metadata(15), RuntimeMetadata::V15(_)));
    assert!(matches!(metadata(16), RuntimeMetadata::V16(_)));
    assert_eq!(Runtime::metadata_versions(), [14, 15, 16]);
}

fn hash_of_version(spec_version: u32) -> String {
    let extra = merkleized_metadata::ExtraInfo {
        spec_version,
        spec_name: VERSION.spec_name.to_string(),
        base58_prefix: <Runtime as frame_system::Config>::SS58Prefix::get(),
        decimals: 12,
        token_symbol: "CRN".into(),
    };
    let digest = merkleized_metadata::generate_metadata_digest(&metadata(15), extra).expect("metadata can be hashed");
    format!("0x{}", digest.hash().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// What a hardware wallet shows is what the chain executes: both sides hash the metadata to the same value.
#[test]
fn committed_metadata_hash_is_current() {
    // That of the next version is for the blob that rehearses an upgrade (scripts/variant).
    let hashes: String = (0..2).map(|later| hash_of_version(VERSION.spec_version + later) + "\n").collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/metadata-hash");
    if std::env::var_os("CAIRN_WRITE_METADATA").is_some() {
        std::fs::write(path, &hashes).expect("runtime/metadata-hash can be written");
    }
    let committed = std::fs::read_to_string(path).expect("runtime/metadata-hash can be read");
    assert_eq!(
        committed, hashes,
        "the metadata changed: run scripts/metadata, raise spec_version if the change is to be released, and commit"
    );
}

/// The client's typed code is generated from the metadata of this runtime, not of an earlier one.
#[test]
fn committed_client_metadata_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../node/client/metadata.scale");
    let opaque = sp_io::TestExternalities::default()
        .execute_with(|| Runtime::metadata_at_version(15))
        .expect("metadata version 15 is provided");
    if std::env::var_os("CAIRN_WRITE_METADATA").is_some() {
        std::fs::write(path, &opaque[..]).expect("node/client/metadata.scale can be written");
    }
    let committed = std::fs::read(path).unwrap_or_default();
    assert!(committed == opaque[..], "the metadata changed: run scripts/metadata and commit");
}
