// SPDX-License-Identifier: Apache-2.0

//! Drives: what the chain knows of them, and what their owners and vaults ask of it. Types are those of
//! `cairn-primitives`, which the runtime uses too; vaults themselves are in [`super::vaults`].

use subxt::ext::scale_value::Value;

pub use cairn_primitives::storage::{
    rate_per_block, ChunkProof, Coding, DriveId, GrantInfo, Node, Role, ShardSize, SlotAt, SlotState, Target, Terms,
    Visibility, UNITS_PER_GIB, UNIT_BYTES,
};

use crate::{
    call::{arg, Call},
    view::decode,
    AccountId, Error, View,
};

/// A drive, as it stands at a block.
pub type Drive = cairn_primitives::storage::DriveInfo<AccountId>;
/// A slot of a drive.
pub type Slot = cairn_primitives::storage::SlotInfo<AccountId>;
/// A claim that a slot can't be read.
pub type Dispute = cairn_primitives::storage::DisputeInfo<AccountId>;

impl View {
    /// What storage costs on this network, and how fast its periods run.
    pub async fn storage_terms(&self) -> Result<Terms, Error> {
        decode(&self.api_raw("StorageApi_terms", &()).await?)
    }

    /// How many vaults could take a slot of so many units at this price now.
    pub async fn eligible_vaults(&self, price: u128, capacity_units: u64) -> Result<u32, Error> {
        decode(&self.api_raw("StorageApi_eligible_vaults", &(price, capacity_units)).await?)
    }

    /// A drive, if there is one with that number.
    pub async fn drive(&self, id: DriveId) -> Result<Option<Drive>, Error> {
        decode(&self.api_raw("StorageApi_drive", &id).await?)
    }

    /// Numbers of an account's drives.
    pub async fn drives_of(&self, owner: &AccountId) -> Result<Vec<DriveId>, Error> {
        decode(&self.api_raw("StorageApi_drives_of", owner).await?)
    }

    /// The open claim that a slot can't be read.
    pub async fn dispute(&self, at: SlotAt) -> Result<Option<Dispute>, Error> {
        decode(&self.api_raw("StorageApi_dispute", &at).await?)
    }

    /// What an account was granted of a drive.
    pub async fn grant(&self, drive: DriveId, account: &AccountId) -> Result<Option<GrantInfo>, Error> {
        decode(&self.api_raw("StorageApi_grant", &(drive, account)).await?)
    }

    /// To whom a drive was granted.
    pub async fn grants_of(&self, drive: DriveId) -> Result<Vec<(AccountId, GrantInfo)>, Error> {
        decode(&self.api_raw("StorageApi_grants_of", &drive).await?)
    }

    /// Drives of others that were granted to an account.
    pub async fn granted_to(&self, account: &AccountId) -> Result<Vec<DriveId>, Error> {
        decode(&self.api_raw("StorageApi_granted_to", account).await?)
    }

    /// The X25519 key that an account published, for others to seal keys to it.
    pub async fn sealing_key(&self, account: &AccountId) -> Result<Option<[u8; 32]>, Error> {
        decode(&self.api_raw("StorageApi_sealing_key", account).await?)
    }

    /// Plancks in the repair reserve, and slots that wait for a new vault.
    pub async fn repair(&self) -> Result<(u128, u32), Error> {
        decode(&self.api_raw("StorageApi_repair", &()).await?)
    }
}

fn number(number: impl Into<u128>) -> Value {
    Value::u128(number.into())
}

fn coding_value(coding: Coding) -> Value {
    let name = match coding {
        Coding::K1 => "K1",
        Coding::K2 => "K2",
        Coding::K4 => "K4",
        Coding::K8 => "K8",
    };
    Value::unnamed_variant(name, [])
}

fn visibility_value(visibility: Visibility) -> Value {
    match visibility {
        Visibility::Private => Value::unnamed_variant("Private", []),
        Visibility::Public(key) => Value::unnamed_variant("Public", [arg::bytes(&key)]),
    }
}

fn slot_value(at: &SlotAt) -> Value {
    Value::named_composite([("drive", number(at.drive)), ("slot", number(at.slot))])
}

fn nodes_value(nodes: &[Node]) -> Value {
    let node = |node: &Node| Value::named_composite([("hash", arg::bytes(&node.hash)), ("units", number(node.units))]);
    Value::unnamed_composite(nodes.iter().map(node).collect::<Vec<_>>())
}

fn proof_value(proof: &ChunkProof) -> Value {
    let size = match proof.size() {
        ShardSize::K4 => "K4",
        ShardSize::K16 => "K16",
        ShardSize::K64 => "K64",
        ShardSize::K256 => "K256",
    };
    let within: Vec<Value> = proof.within().iter().map(|value| arg::bytes(value)).collect();
    Value::named_composite([
        ("size", Value::unnamed_variant(size, [])),
        ("data", arg::bytes(proof.data())),
        ("within", Value::unnamed_composite(within)),
        ("leaves", number(proof.leaves())),
        ("leaf", number(proof.leaf())),
        ("path", nodes_value(proof.path())),
        ("peaks", nodes_value(proof.peaks())),
    ])
}

/// Makes a drive: room for `capacity_units` in each slot, at `price` plancks for a GiB of a slot and a period, paid from
/// `escrow` plancks.
pub fn create_drive(coding: Coding, capacity_units: u64, price: u128, escrow: u128, visibility: Visibility) -> Call {
    Call::new(
        "Storage",
        "create_drive",
        [
            ("coding", coding_value(coding)),
            ("capacity_units", number(capacity_units)),
            ("price", number(price)),
            ("escrow", number(escrow)),
            ("visibility", visibility_value(visibility)),
        ],
    )
}

/// Pays for more of a drive's time.
pub fn top_up(drive: DriveId, amount: u128) -> Call {
    Call::new("Storage", "top_up", [("drive", number(drive)), ("amount", number(amount))])
}

/// Changes how much a drive may hold.
pub fn resize(drive: DriveId, capacity_units: u64) -> Call {
    Call::new("Storage", "resize", [("drive", number(drive)), ("capacity_units", number(capacity_units))])
}

/// What a checkpoint commits a drive to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The version that it follows.
    pub expected_version: u64,
    /// Units of each slot's log.
    pub units: u64,
    /// Last block in which what was signed serves.
    pub until_block: u32,
    /// Root of each slot's log.
    pub roots: Vec<[u8; 32]>,
    /// What each slot's vault signed, if it did.
    pub signatures: Vec<Option<[u8; 64]>>,
    /// Where the manifest is.
    pub head: Vec<u8>,
}

/// Commits a drive to new content.
pub fn checkpoint(drive: DriveId, checkpoint: &Checkpoint) -> Call {
    let roots: Vec<Value> = checkpoint.roots.iter().map(|root| arg::bytes(root)).collect();
    let signature = |signature: &Option<[u8; 64]>| arg::option(signature.map(|signature| arg::bytes(&signature)));
    let signatures: Vec<Value> = checkpoint.signatures.iter().map(signature).collect();
    Call::new(
        "Storage",
        "checkpoint",
        [
            ("drive", number(drive)),
            ("expected_version", number(checkpoint.expected_version)),
            ("units", number(checkpoint.units)),
            ("until_block", number(checkpoint.until_block)),
            ("roots", Value::unnamed_composite(roots)),
            ("signatures", Value::unnamed_composite(signatures)),
            ("head", arg::bytes(&checkpoint.head)),
        ],
    )
}

/// Gives up the first units of each log.
pub fn trim(drive: DriveId, expected_version: u64, trimmed_units: u64) -> Call {
    Call::new(
        "Storage",
        "trim",
        [
            ("drive", number(drive)),
            ("expected_version", number(expected_version)),
            ("trimmed_units", number(trimmed_units)),
        ],
    )
}

/// Makes a drive public, with its key, or no longer.
pub fn set_visibility(drive: DriveId, visibility: Visibility) -> Call {
    let visibility = visibility_value(visibility);
    Call::new("Storage", "set_visibility", [("drive", number(drive)), ("visibility", visibility)])
}

/// Lets an account read a drive, or write to it, until a block; `sealed` is the drive's key, sealed to it.
pub fn grant(drive: DriveId, account: &AccountId, role: Role, until_block: Option<u32>, sealed: &[u8]) -> Call {
    let role = match role {
        Role::Reader => "Reader",
        Role::Writer => "Writer",
    };
    Call::new(
        "Storage",
        "grant",
        [
            ("drive", number(drive)),
            ("account", arg::account(account)),
            ("role", Value::unnamed_variant(role, [])),
            ("until_block", arg::option(until_block.map(number))),
            ("sealed", arg::bytes(sealed)),
        ],
    )
}

/// Takes a grant back; what is written from then on has another key.
pub fn revoke(drive: DriveId, account: &AccountId) -> Call {
    Call::new("Storage", "revoke", [("drive", number(drive)), ("account", arg::account(account))])
}

/// Gives a drive to another account.
pub fn transfer_drive(drive: DriveId, to: &AccountId) -> Call {
    Call::new("Storage", "transfer_drive", [("drive", number(drive)), ("to", arg::account(to))])
}

/// Ends a drive; what is left of its escrow comes back.
pub fn close(drive: DriveId) -> Call {
    Call::new("Storage", "close", [("drive", number(drive))])
}

/// Publishes the key that others seal drives' keys to.
pub fn publish_key(key: &[u8; 32]) -> Call {
    Call::new("Storage", "publish_key", [("key", arg::bytes(key))])
}

/// Answers the challenge of this [`id`](super::vaults::Challenge::id).
pub fn prove(challenge: &[u8; 32], proofs: &[ChunkProof]) -> Call {
    let proofs: Vec<Value> = proofs.iter().map(proof_value).collect();
    let args = [("challenge", arg::bytes(challenge)), ("proofs", Value::unnamed_composite(proofs))];
    Call::new("Storage", "prove", args)
}

/// Takes a slot over, or catches up with it.
pub fn restore(at: SlotAt, proof: Option<&ChunkProof>) -> Call {
    let proof = arg::option(proof.map(proof_value));
    Call::new("Storage", "restore", [("drive", number(at.drive)), ("slot", number(at.slot)), ("proof", proof)])
}

/// Asks for others to take slots over.
pub fn leave_slots(slots: &[SlotAt]) -> Call {
    let slots: Vec<Value> = slots.iter().map(slot_value).collect();
    Call::new("Storage", "leave_slots", [("slots", Value::unnamed_composite(slots))])
}

/// Gives up slots that the vault isn't liable for.
pub fn decline_slots(slots: &[SlotAt]) -> Call {
    let slots: Vec<Value> = slots.iter().map(slot_value).collect();
    Call::new("Storage", "decline_slots", [("slots", Value::unnamed_composite(slots))])
}

/// Says that the vaults of these slots serve nobody; with each, the number of the caller's own slot in the drive.
pub fn report_unserved(reports: &[(SlotAt, u8)]) -> Call {
    let report = |(at, by): &(SlotAt, u8)| Value::named_composite([("at", slot_value(at)), ("by", number(*by))]);
    let reports: Vec<Value> = reports.iter().map(report).collect();
    Call::new("Storage", "report_unserved", [("reports", Value::unnamed_composite(reports))])
}

/// Has the vaults of these slots replaced, before the drive's first checkpoint.
pub fn redraw(drive: DriveId, slots: &[u8]) -> Call {
    let slots: Vec<Value> = slots.iter().map(|slot| number(*slot)).collect();
    Call::new("Storage", "redraw", [("drive", number(drive)), ("slots", Value::unnamed_composite(slots))])
}

/// Claims that a chunk of a slot can't be read.
pub fn dispute(at: SlotAt, chunk: u64) -> Call {
    Call::new("Storage", "dispute", [("drive", number(at.drive)), ("slot", number(at.slot)), ("chunk", number(chunk))])
}

/// Shows the chunk that a dispute is about.
pub fn answer_dispute(at: SlotAt, proof: &ChunkProof) -> Call {
    Call::new(
        "Storage",
        "answer_dispute",
        [("drive", number(at.drive)), ("slot", number(at.slot)), ("proof", proof_value(proof))],
    )
}
