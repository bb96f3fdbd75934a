// SPDX-License-Identifier: Apache-2.0

use super::{Label, Zone};
use codec::Encode;
use sp_crypto_hashing::blake2_256;

/// What a commitment's hash begins with, so that it serves for nothing else.
pub const COMMITMENT_PURPOSE: &str = "names/commit/v1";

/// What a zone adds to a commitment: the Blake2-256 hash of its SCALE encoding.
pub fn records_hash(records: &Zone) -> [u8; 32] {
    records.using_encoded(blake2_256)
}

/// The hash that hides a claim to `label` until `owner` registers it:
/// `blake2_256(SCALE("names/commit/v1", genesis, label, owner, years, salt, records_hash))`.
///
/// It binds the chain (`genesis`: hash of its block 0) and the owner, so that a registration copied by somebody else has
/// no commitment. `salt` must be random: labels can be guessed, 32 random bytes can't.
pub fn commitment_hash<AccountId: Encode>(
    genesis: &[u8; 32],
    label: &Label,
    owner: &AccountId,
    years: u8,
    salt: &[u8; 32],
    records_hash: &[u8; 32],
) -> [u8; 32] {
    (COMMITMENT_PURPOSE, genesis, label, owner, years, salt, records_hash).using_encoded(blake2_256)
}
