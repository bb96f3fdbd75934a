// SPDX-License-Identifier: Apache-2.0

//! What the daemon asks of the chain.

use std::time::Duration;

use cairn_client::{
    chain::{
        storage::{self, ChunkProof, Dispute, Drive, DriveId, GrantInfo, SlotAt, Terms},
        vaults::{Challenge, HeldSlot, Vault as VaultInfo},
    },
    Account, AccountId, Call, Client, Retry,
};
use futures::{future::BoxFuture, FutureExt};

/// Why the chain gave no answer, or refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ChainError {
    /// What is known.
    pub message: String,
    /// The error's short name, as the chain's pallets have it.
    pub code: String,
    /// The same may succeed later.
    pub is_temporary: bool,
}

impl ChainError {
    /// What was answered is no challenge of the chain as it is now: the block that asked was undone, or its time is over.
    pub fn is_past_challenge(&self) -> bool {
        self.code == "Storage::ChallengeUnknown"
    }
}

impl From<cairn_client::Error> for ChainError {
    fn from(error: cairn_client::Error) -> Self {
        let (message, code) = (error.to_string(), error.code().into());
        ChainError { message, code, is_temporary: !matches!(error.retry(), Retry::Never) }
    }
}

/// An answer of the chain.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ChainError>>;

/// The slots of a vault at a finalized block.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The block.
    pub block: u32,
    /// All of them.
    pub slots: Vec<HeldSlot>,
}

/// What a vault sends to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answers a challenge.
    Prove {
        /// Which, by its [`id`](Challenge::id).
        challenge: [u8; 32],
        /// In the order of its targets.
        proofs: Vec<ChunkProof>,
    },
    /// Takes a slot over, or has caught up.
    Restore {
        /// Which.
        at: SlotAt,
        /// Of the chunk that is to be shown; none if there is none.
        proof: Option<ChunkProof>,
    },
    /// Claims that a chunk can't be read.
    Dispute {
        /// Of which slot.
        at: SlotAt,
        /// Which chunk.
        chunk: u64,
    },
    /// Answers such a claim.
    AnswerDispute {
        /// Of which slot.
        at: SlotAt,
        /// Of the chunk.
        proof: ChunkProof,
    },
    /// Gives up a slot that this vault isn't liable for.
    Decline {
        /// Which.
        at: SlotAt,
    },
    /// Says that the vault of another slot of the drive serves nobody.
    Report {
        /// Which slot.
        at: SlotAt,
        /// Number of the slot that this vault has in the drive.
        by: u8,
    },
}

/// The chain, as one vault's account sees it. All is of the last finalized block, where nothing else is said.
pub trait Chain: Send + Sync + 'static {
    /// Hash of the first block.
    fn genesis(&self) -> [u8; 32];
    /// The vault's account.
    fn account(&self) -> AccountId;
    /// The time between two blocks.
    fn block_time(&self) -> Duration;
    /// Number of the last finalized block.
    fn finalized_block(&self) -> Answer<'_, u32>;
    /// What storage costs, and how fast its periods run.
    fn terms(&self) -> Answer<'_, Terms>;
    /// A vault.
    fn vault(&self, account: AccountId) -> Answer<'_, Option<VaultInfo>>;
    /// The slots of this vault.
    fn held(&self) -> Answer<'_, Held>;
    /// A drive.
    fn drive(&self, id: DriveId) -> Answer<'_, Option<Drive>>;
    /// What an account was granted of a drive.
    fn grant(&self, drive: DriveId, account: AccountId) -> Answer<'_, Option<GrantInfo>>;
    /// What this vault has to show, at the best block.
    fn challenge(&self) -> Answer<'_, Option<Challenge>>;
    /// The open claim that a slot can't be read, at the best block.
    fn dispute(&self, at: SlotAt) -> Answer<'_, Option<Dispute>>;
    /// Does something; returns once it is final.
    fn submit(&self, action: Action) -> Answer<'_, ()>;
}

/// The chain over a node.
#[derive(Clone)]
pub struct ClientChain {
    client: Client,
    account: Account,
    block_time: Duration,
}

impl ClientChain {
    /// Speaks for an account, which is unlocked.
    ///
    /// # Errors
    /// If the node can't be asked.
    pub async fn new(client: Client, account: Account) -> Result<Self, ChainError> {
        let block_time = client.finalized().await?.block_time()?;
        Ok(ClientChain { client, account, block_time })
    }
}

impl Chain for ClientChain {
    fn genesis(&self) -> [u8; 32] {
        self.client.genesis_hash().0
    }

    fn account(&self) -> AccountId {
        self.account.id()
    }

    fn block_time(&self) -> Duration {
        self.block_time
    }

    fn finalized_block(&self) -> Answer<'_, u32> {
        async { Ok(self.client.finalized().await?.block_number_u32()) }.boxed()
    }

    fn terms(&self) -> Answer<'_, Terms> {
        async { Ok(self.client.finalized().await?.storage_terms().await?) }.boxed()
    }

    fn vault(&self, account: AccountId) -> Answer<'_, Option<VaultInfo>> {
        async move { Ok(self.client.finalized().await?.vault(&account).await?) }.boxed()
    }

    fn held(&self) -> Answer<'_, Held> {
        async {
            let view = self.client.finalized().await?;
            let slots = view.all_slots_of(&self.account.id()).await?;
            Ok(Held { block: view.block_number_u32(), slots })
        }
        .boxed()
    }

    fn drive(&self, id: DriveId) -> Answer<'_, Option<Drive>> {
        async move { Ok(self.client.finalized().await?.drive(id).await?) }.boxed()
    }

    fn grant(&self, drive: DriveId, account: AccountId) -> Answer<'_, Option<GrantInfo>> {
        async move { Ok(self.client.finalized().await?.grant(drive, &account).await?) }.boxed()
    }

    fn challenge(&self) -> Answer<'_, Option<Challenge>> {
        async { Ok(self.client.best().await?.challenge(&self.account.id()).await?) }.boxed()
    }

    fn dispute(&self, at: SlotAt) -> Answer<'_, Option<Dispute>> {
        async move { Ok(self.client.best().await?.dispute(at).await?) }.boxed()
    }

    fn submit(&self, action: Action) -> Answer<'_, ()> {
        async move {
            let submitted = self.account.submit(&call(&action)).await?;
            submitted.finalized(|_| ()).await?;
            Ok(())
        }
        .boxed()
    }
}

fn call(action: &Action) -> Call {
    match action {
        Action::Prove { challenge, proofs } => storage::prove(challenge, proofs),
        Action::Restore { at, proof } => storage::restore(*at, proof.as_ref()),
        Action::Dispute { at, chunk } => storage::dispute(*at, *chunk),
        Action::AnswerDispute { at, proof } => storage::answer_dispute(*at, proof),
        Action::Decline { at } => storage::decline_slots(&[*at]),
        Action::Report { at, by } => storage::report_unserved(&[(*at, *by)]),
    }
}
