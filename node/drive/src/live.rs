// SPDX-License-Identifier: Apache-2.0

//! The real chain and the real network.

use std::sync::Arc;

use cairn_client::{
    chain::storage::{self, rate_per_block, Checkpoint},
    keys::Keypair,
    Account, AccountId, Call, Client, Error, Retry, Stage, View,
};
use cairn_primitives::storage::{DriveId, SlotState};
use cairn_wire::Timeouts;
use futures::future::BoxFuture;

use crate::{
    chain::{Chain, ChainError, Commit, DriveState, GrantState, Shortfall, Signer, SlotPlace, VaultPlace},
    drive::Session,
    vaults::Tcp,
};

/// What the chain says when another checkpoint came first.
const VERSION_STALE: &str = "Storage::VersionStale";
/// What it says when the last block of the receipts is over.
const RECEIPTS_EXPIRED: &str = "Storage::ReceiptsExpired";
/// What it says when a signature isn't of the vault that has the slot: it was given away, or lost, during the upload.
const GROUP_MOVED: [&str; 2] = ["Storage::SignatureUnexpected", "Storage::SignatureInvalid"];

/// How often a checkpoint is submitted whose place in the account's order another command takes.
const SUBMITS_MAX: u32 = 6;

async fn submit(account: &Account, call: &Call) -> Result<(), Error> {
    account.submit(call).await?.finalized(|_| {}).await.map(drop)
}

/// The chain, over a client; without an account, to read only.
pub struct LiveChain {
    client: Client,
    account: Option<Account>,
}

impl LiveChain {
    /// Over a client. The account signs checkpoints.
    pub fn new(client: Client, account: Option<Account>) -> Self {
        LiveChain { client, account }
    }
}

/// The real chain and TCP.
pub fn session(client: &Client, account: Option<Account>) -> Session {
    let network = Tcp { genesis: client.genesis_hash().0, timeouts: Timeouts::default() };
    Session { chain: Arc::new(LiveChain::new(client.clone(), account)), network: Arc::new(network) }
}

fn other(error: Error) -> ChainError {
    ChainError::Other(Box::new(error))
}

async fn state(view: &View, id: DriveId) -> Result<Option<DriveState>, Error> {
    let Some(drive) = view.drive(id).await? else { return Ok(None) };
    let mut slots = Vec::with_capacity(drive.slots.len());
    for slot in &drive.slots {
        let vault = match &slot.vault {
            Some(account) => view.vault(account).await?.map(|vault| VaultPlace {
                account: account.0,
                service_key: vault.service_key,
                addresses: vault.addresses.into_iter().filter_map(|bytes| String::from_utf8(bytes).ok()).collect(),
            }),
            None => None,
        };
        slots.push(SlotPlace { vault, healthy: slot.state == SlotState::Healthy, root: slot.root });
    }
    Ok(Some(DriveState {
        id: drive.id,
        owner: drive.owner.0,
        coding: drive.coding,
        capacity_units: drive.capacity_units,
        version: drive.version,
        units: drive.units,
        trimmed_units: drive.trimmed_units,
        head: drive.head,
        key_generation: drive.key_generation,
        visibility: drive.visibility,
        slots,
        dry_block: drive.dry_block,
        block: view.block_number_u32(),
    }))
}

impl Chain for LiveChain {
    fn genesis(&self) -> [u8; 32] {
        self.client.genesis_hash().0
    }

    fn drive(&self, id: DriveId) -> BoxFuture<'_, Result<Option<DriveState>, ChainError>> {
        Box::pin(async move {
            let view = self.client.finalized().await.map_err(other)?;
            state(&view, id).await.map_err(other)
        })
    }

    fn grant(&self, id: DriveId, account: [u8; 32]) -> BoxFuture<'_, Result<Option<GrantState>, ChainError>> {
        Box::pin(async move {
            let view = self.client.finalized().await.map_err(other)?;
            let grant = view.grant(id, &AccountId::from(account)).await.map_err(other)?;
            Ok(grant.map(|grant| GrantState {
                role: grant.role,
                until_block: grant.until_block,
                sealed: grant.sealed.into_inner(),
            }))
        })
    }

    fn shortfall(&self, id: DriveId, units: u64) -> BoxFuture<'_, Result<Option<Shortfall>, ChainError>> {
        Box::pin(async move {
            let view = self.client.best().await.map_err(other)?;
            let Some(drive) = view.drive(id).await.map_err(other)? else { return Ok(None) };
            let period = view.storage_terms().await.map_err(other)?.period_blocks;
            let live_units = units.saturating_sub(drive.trimmed_units);
            let signing = drive.slots.iter().filter(|slot| slot.vault.is_some()).count();
            let rate = rate_per_block(drive.price, live_units, period).saturating_mul(signing as u128);
            let needed = rate.saturating_mul(period.into());
            let lacks = rate > drive.rate_per_block && drive.escrow < needed;
            Ok(lacks.then_some(Shortfall { escrow: drive.escrow, needed }))
        })
    }

    fn checkpoint(&self, commit: Commit) -> BoxFuture<'_, Result<(), ChainError>> {
        Box::pin(async move {
            let account = self.account.as_ref().ok_or_else(|| ChainError::Other("no account signs here".into()))?;
            let checkpoint = Checkpoint {
                expected_version: commit.expected_version,
                units: commit.units,
                until_block: commit.until_block,
                roots: commit.roots,
                signatures: commit.signatures,
                head: commit.head,
            };
            let stale = |error: Error| match &error {
                Error::Refused(refusal) if refusal.code == VERSION_STALE => ChainError::VersionMoved,
                Error::Refused(refusal) if refusal.code == RECEIPTS_EXPIRED => ChainError::ReceiptsExpired,
                Error::Refused(refusal) if GROUP_MOVED.contains(&&*refusal.code) => ChainError::GroupMoved,
                _ => other(error),
            };
            let call = storage::checkpoint(commit.drive, &checkpoint);
            for _ in 1..SUBMITS_MAX {
                match submit(account, &call).await {
                    // Another command of the account was faster with the nonce. It is in no block, and made twice it would be
                    // refused for its version.
                    Err(Error::Refused(refusal)) if refusal.stage == Stage::Pool && refusal.retry == Retry::Now => {},
                    done => return done.map_err(stale),
                }
            }
            submit(account, &call).await.map_err(stale)
        })
    }
}

/// Signs with an account's key.
pub struct KeySigner(pub Keypair);

impl Signer for KeySigner {
    fn account(&self) -> [u8; 32] {
        self.0.account_id().0
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}
