// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Reports validators that sign two blocks for one slot, and keeps this node from doing so.
//!
//! BABE's own import looks for them too, but compares and reports headers whose seals it has just taken off
//! (`sc-consensus-babe` 0.60), and no chain accepts a report without signatures. [`Reporting`] stands in front of it, sees
//! blocks with their seals, and sends the report.
//!
//! What has been seen is kept in memory only: a node that restarts forgets, and the others remember.

use super::{own_slots::OwnSlots, Client, SelectChain};
use cairn_runtime::{opaque::Block, Hash, Header};
use codec::{Decode, Encode};
use sc_consensus::{BlockCheckParams, BlockImport, BlockImportParams, ImportResult};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_api::{ApiExt, ProvideRuntimeApi};
use sp_consensus::{BlockOrigin, SelectChain as _};
use sp_consensus_babe::{check_equivocation_proof, AuthorityId, AuthorityIndex, BabeApi, EquivocationProof, Slot};
use sp_runtime::traits::Header as _;
use std::{
    collections::{btree_map::Entry, BTreeMap},
    sync::{Arc, Mutex, PoisonError},
};

const LOG_TARGET: &str = "equivocation";

/// Headers are kept for so many slots behind the newest (50 minutes of slots of 3 s): who makes a second block later than
/// that finds nobody to build on it.
const KEPT_SLOTS: u64 = 1_000;

/// Headers kept take at most this much memory. An ordinary one takes some 300 bytes.
const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A block import that reports what it sees, and leaves everything else to the one inside.
#[derive(Clone)]
pub struct Reporting<Inner> {
    inner: Inner,
    client: Arc<Client>,
    select_chain: SelectChain,
    /// Where reports go.
    pool: OffchainTransactionPoolFactory<Block>,
    seen: Arc<Mutex<Seen>>,
    own_slots: Arc<OwnSlots>,
}

impl<Inner> Reporting<Inner> {
    pub fn new(
        inner: Inner,
        client: Arc<Client>,
        select_chain: SelectChain,
        pool: OffchainTransactionPoolFactory<Block>,
        own_slots: OwnSlots,
    ) -> Self {
        Self { inner, client, select_chain, pool, seen: Arc::default(), own_slots: Arc::new(own_slots) }
    }

    /// Sends a report if this header is its author's second for its slot.
    async fn look_at(&self, header: Header) {
        let Some(twice) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).note(header) else { return };
        let slot = twice.slot;
        match self.report(twice).await {
            Ok(offender) => log::warn!(
                target: LOG_TARGET,
                "🚨 {offender} signed two blocks for slot {}: reported to the chain",
                *slot
            ),
            Err(why) => log::warn!(
                target: LOG_TARGET,
                "🚨 A validator signed two blocks for slot {}, which can't be reported: {why}",
                *slot
            ),
        }
    }

    async fn report(&self, twice: Twice) -> Result<AuthorityId, String> {
        let Twice { slot, author, first, second } = twice;
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let parent = *second.parent_hash();
        let offender = self.authority(parent, slot, author).map_err(|error| text(&error))?;
        let offender = offender.ok_or("the slot's validators are not known")?;
        let proof = EquivocationProof { offender: offender.clone(), slot, first_header: first, second_header: second };
        if !check_equivocation_proof(proof.clone()) {
            return Err("the signatures are not both of that slot's validator".into());
        }

        // The proof of who owns the key is made where that validator's session is: at the parent, or, for the first
        // block of a session, at the best block.
        let best = self.select_chain.best_chain().await.map_err(|error| text(&error))?.hash();
        let owner = |at| {
            self.client.runtime_api().generate_key_ownership_proof(at, slot, offender.clone()).map_err(|e| text(&e))
        };
        let owner = match owner(parent)? {
            Some(proof) => proof,
            None => owner(best)?.ok_or_else(|| format!("{offender} is no validator any more"))?,
        };
        let mut api = self.client.runtime_api();
        api.register_extension(self.pool.offchain_transaction_pool(best));
        api.submit_report_equivocation_unsigned_extrinsic(best, proof, owner)
            .map_err(|error| text(&error))?
            .ok_or("the transaction pool refused the report")?;
        Ok(offender)
    }

    /// The validator with this index in the slot's epoch, which is the parent's or the one after.
    fn authority(
        &self,
        parent: Hash,
        slot: Slot,
        index: AuthorityIndex,
    ) -> Result<Option<AuthorityId>, sp_api::ApiError> {
        let api = self.client.runtime_api();
        let mut epoch = api.current_epoch(parent)?;
        if slot >= epoch.start_slot + epoch.duration {
            epoch = api.next_epoch(parent)?;
        }
        let authority = usize::try_from(index).ok().and_then(|index| epoch.authorities.get(index).cloned());
        Ok(authority.map(|(id, _weight)| id))
    }
}

#[async_trait::async_trait]
impl<Inner: BlockImport<Block, Error = sp_consensus::Error> + Send + Sync> BlockImport<Block> for Reporting<Inner> {
    type Error = sp_consensus::Error;

    async fn check_block(&self, block: BlockCheckParams<Block>) -> Result<ImportResult, Self::Error> {
        self.inner.check_block(block).await
    }

    async fn import_block(&self, block: BlockImportParams<Block>) -> Result<ImportResult, Self::Error> {
        // A block of one's own is sent to others once it is imported.
        if block.origin == BlockOrigin::Own {
            if let Some(slot) = slot_of(&block.post_header()) {
                self.own_slots.claim(slot).map_err(sp_consensus::Error::ClientImport)?;
            }
        }
        // Whoever syncs sees history, which others have reported in its time. A block that comes without its state
        // (a warp sync's) has no parent here to look validators up at.
        let header =
            (block.origin != BlockOrigin::NetworkInitialSync && !block.with_state()).then(|| block.post_header());
        let result = self.inner.import_block(block).await;
        // Whatever became of the block: the signature is the offence.
        if let Some(header) = header {
            self.look_at(header).await;
        }
        result
    }
}

fn slot_of(header: &Header) -> Option<Slot> {
    use sp_consensus_babe::digests::CompatibleDigestItem;
    header.digest().logs().iter().find_map(|log| log.as_babe_pre_digest()).map(|claim| claim.slot())
}

/// Two blocks of one author for one slot.
#[derive(Debug, PartialEq, Eq)]
struct Twice {
    slot: Slot,
    author: AuthorityIndex,
    first: Header,
    second: Header,
}

/// What a validator made of its slot.
enum Made {
    /// The encoded header of its block.
    One(Vec<u8>),
    /// More than one, which has been told.
    Told,
}

impl Made {
    fn bytes(&self) -> usize {
        match self {
            Self::One(header) => header.len(),
            Self::Told => 0,
        }
    }
}

/// The blocks seen of late.
///
/// # Correctness
/// `bytes` is the sum over all entries, and at most [`KEPT_BYTES_MAX`] after each call; no slot is kept that is
/// [`KEPT_SLOTS`] or more behind the newest.
#[derive(Default)]
struct Seen {
    blocks: BTreeMap<(Slot, AuthorityIndex), Made>,
    bytes: usize,
}

impl Seen {
    /// Takes a header with its seal, and gives the pair if it is the second of its author for its slot. Each pair of
    /// slot and author is told once.
    fn note(&mut self, header: Header) -> Option<Twice> {
        let claim = header.digest().logs().iter().find_map(|log| {
            use sp_consensus_babe::digests::CompatibleDigestItem;
            log.as_babe_pre_digest()
        })?;
        let (slot, author) = (claim.slot(), claim.authority_index());
        let newest = self.blocks.last_key_value().map_or(slot, |((newest, _), _)| (*newest).max(slot));
        if slot + KEPT_SLOTS <= newest {
            return None;
        }
        let twice = match self.blocks.entry((slot, author)) {
            Entry::Vacant(entry) => {
                let encoded = header.encode();
                self.bytes += encoded.len();
                entry.insert(Made::One(encoded));
                None
            },
            Entry::Occupied(mut entry) => match entry.get() {
                Made::One(first) if *first != header.encode() => {
                    let first = Header::decode(&mut &first[..]).ok();
                    self.bytes -= entry.insert(Made::Told).bytes();
                    first.map(|first| Twice { slot, author, first, second: header })
                },
                Made::One(_) | Made::Told => None,
            },
        };
        while let Some(entry) = self.blocks.first_entry() {
            if self.bytes <= KEPT_BYTES_MAX && entry.key().0 + KEPT_SLOTS > newest {
                break;
            }
            self.bytes -= entry.remove().bytes();
        }
        twice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sp_consensus_babe::digests::{CompatibleDigestItem, PreDigest, SecondaryPlainPreDigest};
    use sp_runtime::{Digest, DigestItem};

    /// A header that says who made it and when; `salt` makes it another block.
    fn header(slot: u64, authority_index: AuthorityIndex, salt: u64) -> Header {
        let claim = PreDigest::SecondaryPlain(SecondaryPlainPreDigest { authority_index, slot: slot.into() });
        let digest = Digest { logs: vec![DigestItem::babe_pre_digest(claim)] };
        let root = Hash::from_low_u64_be(salt);
        Header::new(1, root, root, Hash::zero(), digest)
    }

    #[test]
    fn a_second_block_for_a_slot_is_told_once_with_both_headers() {
        let mut seen = Seen::default();
        assert_eq!(seen.note(header(7, 0, 1)), None);
        assert_eq!(seen.note(header(7, 1, 2)), None, "another validator's");
        assert_eq!(seen.note(header(8, 0, 3)), None, "another slot's");
        assert_eq!(seen.note(header(7, 0, 1)), None, "the same block again");
        let twice = Twice { slot: 7.into(), author: 0, first: header(7, 0, 1), second: header(7, 0, 4) };
        assert_eq!(seen.note(header(7, 0, 4)), Some(twice));
        assert_eq!(seen.note(header(7, 0, 5)), None, "told already");
        assert_eq!(seen.note(header(7, 0, 1)), None, "told already");
    }

    #[test]
    fn a_block_without_a_claim_is_passed_over() {
        let mut seen = Seen::default();
        let root = Hash::zero();
        assert_eq!(seen.note(Header::new(1, root, root, root, Digest::default())), None);
        assert!(seen.blocks.is_empty());
    }

    #[test]
    fn memory_is_bounded_however_large_headers_are() {
        let mut seen = Seen::default();
        for slot in 0..100 {
            let mut large = header(slot, 0, 0);
            large.digest_mut().push(DigestItem::Other(vec![0; 1024 * 1024]));
            seen.note(large);
        }
        assert!(seen.bytes <= KEPT_BYTES_MAX && seen.blocks.len() >= 30, "{} bytes", seen.bytes);
        // The newest are those that stay.
        assert!(seen.note(header(99, 0, 1)).is_some());
        assert_eq!(seen.note(header(0, 0, 1)), None);
    }

    proptest! {
        /// Against a plain list of all headers: nobody who made one block a slot is accused, and who made two within
        /// the window is.
        #[test]
        fn told_are_those_who_made_two(blocks in prop::collection::vec((0u64..40, 0u32..3, 0u64..2), 0..200)) {
            let mut seen = Seen::default();
            let mut told = std::collections::BTreeSet::new();
            let mut made = BTreeMap::<_, std::collections::BTreeSet<_>>::new();
            for &(slot, author, salt) in &blocks {
                // Wide apart, so that some fall out of the window.
                let slot = slot * 100;
                if let Some(twice) = seen.note(header(slot, author, salt)) {
                    prop_assert!(twice.first != twice.second);
                    prop_assert!(told.insert((slot, author)), "told twice");
                }
                made.entry((slot, author)).or_default().insert(salt);
                prop_assert_eq!(seen.bytes, seen.blocks.values().map(Made::bytes).sum::<usize>());
                let newest = seen.blocks.keys().map(|(slot, _)| *slot).max().expect("one was just noted");
                prop_assert!(seen.blocks.keys().all(|(slot, _)| *slot + KEPT_SLOTS > newest));
            }
            for (key, salts) in &made {
                prop_assert!(salts.len() == 2 || !told.contains(key), "accused of one block");
            }
            let newest = blocks.iter().map(|(slot, ..)| slot * 100).max().unwrap_or(0);
            for ((slot, author), salts) in made {
                if slot + KEPT_SLOTS > newest && salts.len() == 2 {
                    prop_assert!(told.contains(&(slot, author)), "two blocks untold");
                }
            }
        }
    }
}
