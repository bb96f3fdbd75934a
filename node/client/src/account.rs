// SPDX-License-Identifier: Apache-2.0

//! An account that signs and submits.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use subxt::{
    tx::{SubmittableTransaction, TransactionProgress},
    utils::MultiSignature,
};

use crate::{
    call::Call,
    config::{self, CairnConfig, Params, Signing},
    convert::subxt_error,
    keys::Keypair,
    nonce::NonceHandle,
    refusal::{pool_code, DispatchError, Refusal, Stage},
    submission::{Pending, Submitted},
    view::{decode, AtBlockImpl, View},
    AccountId, Client, Error, Hash,
};

/// How many blocks a transaction may wait to be included. A power of two, as the chain wants it.
pub const LIFETIME_BLOCKS: u64 = 64;
/// A transaction is born at most this far below the best block, so that a stalled finality doesn't eat up its lifetime.
const BIRTH_DEPTH_MAX: u64 = 16;
/// How often a transaction is signed again after its nonce or its context turned out to be outdated.
const SUBMIT_ATTEMPTS_MAX: u32 = 6;
/// Pause before the third time, doubled for each after it. While a node takes a new best block, the next nonce that it tells can be one that
/// its pool has; within a block's time that is over.
const SUBMIT_PAUSE: Duration = Duration::from_millis(200);
/// How long block and runtime version are used for further transactions.
const CONTEXT_TTL: Duration = Duration::from_secs(3);
/// The runtime API that tells what a call would do.
pub(crate) const DISPATCH_API: &str = "DispatchApi";
const DRY_RUN: &str = "DispatchApi_dry_run";

type Transaction = SubmittableTransaction<CairnConfig, AtBlockImpl>;
pub(crate) type Progress = TransactionProgress<CairnConfig, AtBlockImpl>;

/// What transactions are signed against.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) signing: Signing,
    /// The block that the transaction's lifetime is counted from.
    pub(crate) birth: (u64, Hash),
}

impl Context {
    async fn load(client: &Client) -> Result<Self, Error> {
        let (best, finalized) = futures::try_join!(client.best(), client.finalized())?;
        let lowest = best.block_number().saturating_sub(BIRTH_DEPTH_MAX);
        let birth = if finalized.block_number() >= lowest {
            (finalized.block_number(), finalized.block_hash())
        } else {
            let hash = client.block_hash(lowest).await?.ok_or_else(|| Error::malformed("a block is missing"))?;
            (lowest, hash)
        };
        Ok(Self { signing: client.signing(best).await?, birth })
    }

    fn params(&self, nonce: u64, tip: u128) -> Params {
        config::params(nonce, tip, LIFETIME_BLOCKS, self.birth, self.signing.metadata_hash)
    }

    /// The last block that can hold a transaction signed against this.
    pub(crate) fn last_block(&self) -> u64 {
        self.birth.0 + LIFETIME_BLOCKS - 1
    }
}

impl Client {
    /// An account that signs with this key. All of an account's handles share one count of nonces.
    pub fn account(&self, key: Keypair) -> Account {
        let nonces = self.nonces(&key.account_id());
        Account { client: self.clone(), key, nonces, context: Arc::default() }
    }

    /// The fee that a call signed by this account would pay now. Needs no key: a fee depends on the length of a
    /// signature, not on its content.
    pub async fn fee(&self, account: &AccountId, call: &Call) -> Result<u128, Error> {
        let (context, nonce) = futures::try_join!(Context::load(self), self.next_nonce(account))?;
        let transactions = context.signing.at.transactions();
        let mut signable =
            transactions.create_signable_offline(&call.payload, context.params(nonce, 0)).map_err(subxt_error)?;
        let unsigned = MultiSignature::Sr25519([0; 64]);
        let transaction = signable.sign_with_account_and_signature(account, &unsigned).map_err(subxt_error)?;
        transaction.partial_fee_estimate().await.map_err(subxt_error)
    }

    /// Whether a call signed by this account would be refused by the next block, so that nobody pays a fee to learn it.
    /// Nothing is sent. Fees and tips are not looked at. Nothing is known, and nothing refused, while transactions of the
    /// account wait in the pool (they may be what the call stands on), and of a runtime without `DispatchApi`.
    ///
    /// # Errors
    /// [`Error::Refused`] at [`Stage::Check`] with what the runtime says; those of the node.
    pub async fn check(&self, account: &AccountId, call: &Call) -> Result<(), Error> {
        let (best, next_nonce) = futures::try_join!(self.best(), self.next_nonce(account))?;
        if !best.has_api(DISPATCH_API) || u64::from(best.account(account).await?.nonce) != next_nonce {
            return Ok(());
        }
        let call = best.at.transactions().call_data(&call.payload).map_err(subxt_error)?;
        best.dry_run(account, call).await
    }

    /// The bytes of a call, as they are hashed for votes and nested in other calls. They are of the metadata that transactions
    /// are signed for: one that holds a hash of them is refused by a runtime that has another.
    pub async fn encode_call(&self, call: &Call) -> Result<Vec<u8>, Error> {
        let Signing { at, .. } = self.signing(self.best().await?).await?;
        at.transactions().call_data(&call.payload).map_err(subxt_error)
    }
}

impl View {
    /// What a call, encoded, signed by this account, would do in the block after this one.
    async fn dry_run(&self, account: &AccountId, call: Vec<u8>) -> Result<(), Error> {
        let args = dry_run_args(account, call);
        let answer = self.at.runtime_apis().call_raw(DRY_RUN, Some(&args)).await.map_err(subxt_error)?;
        match decode::<Result<(), DispatchError>>(&answer)? {
            Ok(()) => Ok(()),
            // As a pool says it.
            Err(DispatchError::Exhausted) => Err(Error::Refused(Box::new(Refusal::foreseen(
                pool_code::TOO_HEAVY,
                "the transaction is too big or too heavy for a block",
                "split it up",
            )))),
            Err(error) => Err(Error::Refused(Box::new(error.explain(self.at.metadata_ref(), Stage::Check)))),
        }
    }
}

/// The call's bytes as they are: they decode to the runtime's type.
pub(crate) fn dry_run_args(account: &AccountId, call: Vec<u8>) -> Vec<u8> {
    [account.0.to_vec(), call].concat()
}

/// An account that signs and submits transactions. Cheap to clone.
#[derive(Clone)]
pub struct Account {
    client: Client,
    key: Keypair,
    nonces: NonceHandle,
    context: Arc<Mutex<Option<(Instant, Context)>>>,
}

impl Account {
    /// The account.
    pub fn id(&self) -> AccountId {
        self.key.account_id()
    }

    /// Signs a call and hands it to the node's transaction pool.
    ///
    /// Any number of submissions of one account may run at the same time. A nonce that turns out to be used by another
    /// program is replaced, up to [`SUBMIT_ATTEMPTS_MAX`] times.
    ///
    /// # Errors
    /// [`Error::Refused`] if the pool refuses, [`Error::Unreachable`] if it can't be asked, [`Error::Undecided`] if the
    /// connection broke so that nobody knows whether a node has the transaction, [`Error::Incompatible`] if the runtime
    /// has no such call.
    ///
    /// # Correctness
    /// A transaction is signed again only when a pool has refused the one before and no other pool was given it.
    pub async fn submit(&self, call: &Call) -> Result<Submitted, Error> {
        self.submit_telling(call, |_| ()).await
    }

    /// As [`Self::submit`]; `signed` is told the hash of each transaction before a node is given it.
    ///
    /// # Errors
    /// As there.
    pub async fn submit_telling(&self, call: &Call, signed: impl Fn(Hash) + Sync) -> Result<Submitted, Error> {
        let mut attempt = 1;
        loop {
            match self.try_submit(call, &signed).await {
                Err(Error::Refused(refusal)) if attempt < SUBMIT_ATTEMPTS_MAX && is_outdated(&refusal) => {
                    self.forget_context();
                    if attempt > 1 {
                        tokio::time::sleep(SUBMIT_PAUSE * 2u32.pow(attempt - 2)).await;
                    }
                    attempt += 1;
                },
                result => return result,
            }
        }
    }

    async fn try_submit(&self, call: &Call, signed: &(impl Fn(Hash) + Sync)) -> Result<Submitted, Error> {
        let context = self.context().await?;
        let lease = self.nonces.lease().await?;
        let transaction = self.sign(call, &context, lease.nonce())?;
        let pending = Pending {
            client: self.client.clone(),
            nonces: self.nonces.clone(),
            account: self.id(),
            nonce: lease.nonce(),
            hash: transaction.hash(),
            birth: context.birth.0,
            last_block: context.last_block(),
            encoded: transaction.encoded().to_vec(),
            offered: self.client.connections().await.into(),
        };
        signed(pending.hash);
        match transaction.submit_and_watch().await.map_err(subxt_error) {
            Ok(progress) => {
                lease.accepted();
                Ok(Submitted::new(pending, Some(progress), None))
            },
            Err(Error::Refused(refusal)) if refusal.code == pool_code::ALREADY_KNOWN => {
                lease.accepted();
                Ok(Submitted::new(pending, None, None))
            },
            Err(Error::Refused(refusal)) => {
                // A stale or taken nonce must not be given back: it is not ours.
                if is_outdated(&refusal) {
                    lease.unknown();
                }
                Err(Error::Refused(refusal))
            },
            // The node's own answer: it didn't take it.
            Err(error @ Error::Rpc { .. }) => Err(error),
            Err(_) => {
                // It may have arrived before the connection broke.
                lease.unknown();
                let again = pending.submit_again().await;
                let doubt = again.map_err(|error| error.undecided(pending.hash, pending.last_block))?;
                Ok(Submitted::new(pending, None, doubt))
            },
        }
    }

    fn sign(&self, call: &Call, context: &Context, nonce: u64) -> Result<Transaction, Error> {
        let transactions = context.signing.at.transactions();
        let mut signable =
            transactions.create_signable_offline(&call.payload, context.params(nonce, 0)).map_err(subxt_error)?;
        signable.sign(&self.key).map_err(subxt_error)
    }

    async fn context(&self) -> Result<Context, Error> {
        let known = self.lock_context().clone();
        if let Some((loaded, context)) = known {
            if loaded.elapsed() < CONTEXT_TTL {
                return Ok(context);
            }
        }
        let context = Context::load(&self.client).await?;
        *self.lock_context() = Some((Instant::now(), context.clone()));
        Ok(context)
    }

    fn forget_context(&self) {
        *self.lock_context() = None;
    }

    fn lock_context(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Context)>> {
        self.context.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Whether a node that says so has, or had, this very transaction: in its pool, or in a block already.
pub(crate) fn is_known(refusal: &Refusal) -> bool {
    [pool_code::ALREADY_KNOWN, pool_code::BANNED, pool_code::STALE].contains(&&*refusal.code)
}

/// Whether signing again against the chain's present state may help.
fn is_outdated(refusal: &Refusal) -> bool {
    [
        pool_code::STALE,
        pool_code::NONCE_TAKEN,
        pool_code::FUTURE,
        pool_code::BAD_SIGNATURE,
        pool_code::BAD_FORMAT,
        pool_code::EXPIRED,
    ]
    .contains(&&*refusal.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::classify_pool_error;

    #[test]
    fn a_node_that_has_the_transaction_says_so_in_three_ways() {
        for (code, detail, known, outdated) in [
            (1012, "", true, false),
            (1013, "", true, false),
            (1010, "Transaction is outdated", true, true),
            (1014, "", false, true),
            (1010, "Inability to pay some fees (e.g. account balance too low)", false, false),
            (1016, "", false, false),
        ] {
            let refusal = classify_pool_error(code, "", Some(detail)).expect("the pool's");
            assert_eq!((is_known(&refusal), is_outdated(&refusal)), (known, outdated), "{code} {detail}");
        }
    }
}
