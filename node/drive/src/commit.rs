// SPDX-License-Identifier: Apache-2.0

//! Changing a drive: content and manifest to the vaults, receipts, and one checkpoint for all of it.
//!
//! # Correctness
//! - The chain compares and sets the version: what is committed follows exactly the version that it was computed from. If
//!   another writer was faster, all is done again on top of what that one wrote.
//! - A vault that is given a slot, or loses it, during an upload doesn't end it: the drive is looked at again, and the
//!   checkpoint made with those that have the slots by then.
//! - Either everything of a commit is visible, or nothing.
//! - What vaults have signed for and nobody has committed stays in their logs until the receipts end: they keep it, since they
//!   may be held to it. A commit that finds such a tail, of a command that was given up, waits whether it is still committed, and
//!   then takes the tail into the log as it is, unread and unused. Behind receipts that have ended nothing is kept.
//! - The same command after a crash makes the same content again, and commits it once: see [`upload`](crate::upload). It isn't the
//!   same if what it puts is not what the drive has: then the words are a new command's.

mod adopt;
mod log;
mod manifest;
mod plan;

use std::{path::Path, sync::Arc};

use cairn_primitives::storage::{Coding, Receipt, SlotAt, Ticket};
use futures::stream::StreamExt;
use ring::rand::SecureRandom as _;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

pub use self::plan::{Plan, Put, PutSource, Step};
use self::{
    log::Log,
    manifest::{ManifestWriter, Written},
};
use crate::{
    chain::{ChainError, Commit, DriveState, Shortfall, Signer},
    drive::{find, Access, Drive, Session},
    manifest::{FileEntry, Segment, StripeRun},
    share::Link,
    upload::{
        fan::{Failed, Fan, Kept, Stripe},
        produce::{Input, Laid, Producer, RawStripe},
        Event, Journal, LeftOut, OnEvent,
    },
    DriveError,
};

/// How long others are given to commit what vaults have signed for, before it is taken for left behind.
pub const OTHERS_WAIT: std::time::Duration = std::time::Duration::from_secs(45);
/// How often the chain is asked meanwhile.
const ASK_EVERY: std::time::Duration = std::time::Duration::from_secs(2);
/// How often a commit is tried when others are faster.
const ATTEMPTS_MAX: u32 = 12;
/// Blocks that a ticket lasts: a little less than vaults allow, for one that has seen fewer blocks than we.
const TICKET_BLOCKS: u32 = 28_000;
/// Blocks that the vaults' receipts last: half an hour of three seconds, of a time in which the chain is asked to take them.
const RECEIPT_BLOCKS: u32 = 600;
/// Stripes that are coded at the same time.
const CODING_AT_ONCE: usize = 3;
/// How often the slots are looked after while nothing comes to send.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The drive's version now.
    pub version: u64,
    /// There was nothing to do: an earlier run of the same command, or another, had done it already.
    pub was_done: bool,
    /// Slots whose vaults haven't signed: they catch up by themselves.
    pub behind: Vec<u8>,
    /// The links that were made, in the order of the plan.
    pub links: Vec<Link>,
    /// Units of each log before this commit, and after it.
    pub units: (u64, u64),
    /// Sources that couldn't be read, or didn't hold still: everything else is done.
    pub left_out: Vec<LeftOut>,
}

impl Committed {
    /// There was nothing to do.
    fn nothing(version: u64, units: u64) -> Self {
        Committed {
            version,
            was_done: true,
            behind: Vec::new(),
            links: Vec::new(),
            units: (units, units),
            left_out: Vec::new(),
        }
    }
}

/// Who writes, and with what.
#[derive(Clone)]
pub struct Writer {
    /// Signs tickets.
    pub signer: Arc<dyn Signer>,
    /// Told what happens.
    pub on_event: OnEvent,
    /// How long others are given to commit what vaults have signed for; usually [`OTHERS_WAIT`].
    pub others_wait: std::time::Duration,
}

/// Commits a plan to a drive, and waits until that is final. `journals` is the folder in which journals are kept.
///
/// # Errors
/// See [`DriveError`]; after all but [`DriveError::Tree`] and its like, the same plan can be tried again and goes on where this
/// one ended.
pub async fn commit(
    session: &Session,
    mut drive: Drive,
    mut plan: Plan,
    writer: &Writer,
    journals: &Path,
) -> Result<Committed, DriveError> {
    let (mut journal, went_on) = Journal::open(journals, &session.chain.genesis(), drive.state.id, &plan.command())?;
    if went_on {
        if let Some(done) = done_already(&drive, &plan, &mut journal).await? {
            journal.remove()?;
            return Ok(done);
        }
    }
    let (mut kept, mut taken_over) = (Vec::new(), 0);
    for number in 0..ATTEMPTS_MAX {
        match attempt(session, &drive, &mut plan, writer, &mut journal, &kept).await {
            Ok(done) => {
                journal.remove()?;
                return Ok(done);
            },
            // What was to be taken over is nowhere whole, or not any more: somebody is at it.
            Err(Failed::Error(DriveError::Unreadable { .. }))
                if !kept.is_empty() && moves_on(session, &drive, writer.others_wait).await? => {},
            Err(Failed::Error(error)) => {
                // What can't be done at all leaves nothing to go on with.
                if matches!(
                    error,
                    DriveError::Tree(_)
                        | DriveError::Path(_)
                        | DriveError::NoRoom { .. }
                        | DriveError::EscrowTooSmall { .. }
                ) {
                    journal.remove()?;
                }
                return Err(error);
            },
            Err(Failed::Stale) => {},
            Err(Failed::Overtaken) => {
                // Not for as long as the other one, or both would meet again; and longer each time.
                let wait = writer.others_wait.mul_f64(gives_way() * f64::from(number + 1).min(GIVES_WAY_MAX));
                let _ = moves_on(session, &drive, wait).await?;
            },
            Err(Failed::Kept(found)) => {
                let leaves = found.iter().map(|kept| kept.leaves).max().unwrap_or(0);
                (writer.on_event)(Event::LeftBehind { stripes: leaves.saturating_sub(drive.first_free()) });
                // Who takes over may be taken over from in turn, before it is done: the next time there is more time.
                if !moves_on(session, &drive, writer.others_wait.saturating_mul(1 + taken_over)).await? {
                    (kept, taken_over) = (found, taken_over + 1);
                    continue;
                }
            },
        }
        kept.clear();
        (writer.on_event)(Event::Again);
        let state = find(&*session.chain, drive.state.id).await?;
        let key = drive.access.key.clone();
        if key.generation() != state.key_generation {
            return Err(crate::keys::KeyError::Later { have: key.generation(), wanted: state.key_generation }.into());
        }
        drive = Drive::open(session, state, Access { key, may_write: true }).await?;
        if let Some(done) = done_already(&drive, &plan, &mut journal).await? {
            journal.remove()?;
            return Ok(done);
        }
    }
    Err(DriveError::Contended { attempts: ATTEMPTS_MAX })
}

/// So many times as long a writer waits at most who was overtaken again and again.
const GIVES_WAY_MAX: f64 = 4.0;

/// For which part of the time that others are given a writer waits who was overtaken: chance decides.
fn gives_way() -> f64 {
    let mut random = [0];
    // Without randomness it is the longest time.
    let _ = ring::rand::SystemRandom::new().fill(&mut random);
    0.05 + 0.35 * f64::from(255 - random[0]) / 255.0
}

/// Whether somebody commits to a drive within a time.
async fn moves_on(session: &Session, drive: &Drive, within: std::time::Duration) -> Result<bool, DriveError> {
    let until = tokio::time::Instant::now() + within;
    loop {
        if find(&*session.chain, drive.state.id).await?.version > drive.state.version {
            return Ok(true);
        }
        if tokio::time::Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(ASK_EVERY.min(within / 20)).await;
    }
}

/// Whether the chain has what a journal was about to commit, and the command means that still. If it means something else by now,
/// as when a source was changed since, the journal begins anew: it is the next command with the same words.
async fn done_already(drive: &Drive, plan: &Plan, journal: &mut Journal) -> Result<Option<Committed>, DriveError> {
    let Some(noted) = journal.was_committing().filter(|noted| noted.version <= drive.state.version) else {
        return Ok(None);
    };
    let Some(head) = hex::decode(&noted.head).ok().and_then(|head| crate::manifest::Head::from_bytes(&head).ok())
    else {
        return Ok(None);
    };
    let versions = drive.versions().await?;
    let Some(version) = versions.iter().find(|version| version.root == head.root) else { return Ok(None) };
    let link = |text: &String| Link::from_text(text).ok();
    let links = noted.outcome.iter().filter_map(link).collect();
    if !journal.is_of_this_run() && !plan.stands(drive.contents().tree(), journal)? {
        journal.renew()?;
        return Ok(None);
    }
    let units = (version.units_before, drive.state.units);
    Ok(Some(Committed { links, units, ..Committed::nothing(version.version, drive.state.units) }))
}

async fn attempt(
    session: &Session,
    drive: &Drive,
    plan: &mut Plan,
    writer: &Writer,
    journal: &mut Journal,
    kept: &[Kept],
) -> Result<Committed, Failed> {
    let state = &drive.state;
    if !plan.check(drive)? {
        return Ok(Committed::nothing(state.version, state.units));
    }
    let ranges = drive.ranges().await?;
    let mut log = Log::new(state, ranges);
    let units_before = log.units();
    let ticket = Ticket {
        at: SlotAt { drive: state.id, slot: 0 },
        version: state.version + 1,
        first_stripe: log.next(),
        until_block: state.block.saturating_add(TICKET_BLOCKS),
    };
    let genesis = session.chain.genesis();
    let mut fan = Fan::start(state, ticket, genesis, &writer.signer, &drive.vaults, &writer.on_event);

    if !kept.is_empty() {
        fan.takes_over = true;
        adopt::tail(drive, &mut fan, &mut log, kept).await?;
    }
    let inputs = plan.inputs(drive, journal)?;
    let known_bytes = plan.known_bytes(drive);
    log.check_room(known_bytes, plan.only_tidies())?;
    // Before a byte is sent, and again with what it came to before vaults are asked to sign: what they sign for blocks the drive.
    check_escrow(session, state, log.units_with(known_bytes)).await?;
    (writer.on_event)(Event::Total { bytes: known_bytes });
    let keys: Vec<[u8; 32]> = inputs.iter().map(|input| input.key).collect();
    let (laid, runs) = send_content(&mut fan, &mut log, inputs, writer).await?;
    log.content_ends();

    let mut segment = Segment::default();
    let mut tree = drive.contents().tree().clone();
    plan.apply(&laid, &keys, journal.started_ms(), &mut tree, &mut segment)?;
    let left_out: Vec<LeftOut> = laid.iter().filter_map(|laid| laid.left_out.clone()).collect();
    if !left_out.is_empty() && segment.is_empty() && !plan.does_more() {
        return Ok(Committed { left_out, ..Committed::nothing(state.version, state.units) });
    }
    let secret = Zeroizing::new(journal.other_key("salts"));
    let started_ms = journal.started_ms();
    let mut manifest = ManifestWriter { drive, secret, started_ms, fan: &mut fan, log: &mut log };
    let links = manifest.links(plan, journal, &genesis).await?;
    let Written { head } = manifest.write(plan, segment, &tree, runs).await?;

    let (leaves, units) = (log.next(), log.units());
    // The block of now, not of when the upload began.
    let (now, paid) = futures::join!(find(&*session.chain, state.id), check_escrow(session, state, units));
    paid?;
    let until_block = now?.block.saturating_add(RECEIPT_BLOCKS);
    let expected = |slot: u8| Receipt {
        at: SlotAt { drive: state.id, slot },
        version: state.version + 1,
        root: log.root(slot),
        units,
        until_block,
    };
    let signatures = fan.receipts(leaves, expected).await?;
    let head = head.to_bytes();
    let outcome = links.iter().map(Link::to_text).collect();
    journal.committing(state.version + 1, &head, outcome)?;
    (writer.on_event)(Event::Checkpoint);
    let behind = (0..state.coding.slots()).filter(|slot| signatures[usize::from(*slot)].is_none()).collect();
    let commit = Commit {
        drive: state.id,
        expected_version: state.version,
        units,
        until_block,
        roots: (0..state.coding.slots()).map(|slot| log.root(slot)).collect(),
        signatures,
        head,
    };
    match session.chain.checkpoint(commit).await {
        Ok(()) => {},
        Err(ChainError::VersionMoved | ChainError::ReceiptsExpired | ChainError::GroupMoved) => {
            return Err(Failed::Stale)
        },
        Err(error) => return Err(DriveError::from(error).into()),
    }
    Ok(Committed { version: state.version + 1, was_done: false, behind, links, units: (units_before, units), left_out })
}

/// Whether what was paid for a drive is enough for it to grow to so many units.
async fn check_escrow(session: &Session, state: &DriveState, units: u64) -> Result<(), DriveError> {
    match session.chain.shortfall(state.id, units).await? {
        None => Ok(()),
        Some(Shortfall { escrow, needed }) => Err(DriveError::EscrowTooSmall { escrow, needed }),
    }
}

/// Sends all content; gives where each input lies, and the ids of its stripes.
async fn send_content(
    fan: &mut Fan,
    log: &mut Log,
    inputs: Vec<Input>,
    writer: &Writer,
) -> Result<(Vec<Laid>, Vec<StripeRun>), Failed> {
    let coding = log.coding();
    let mut runs = Vec::new();
    if inputs.is_empty() {
        return Ok((Vec::new(), runs));
    }
    let (to, from) = mpsc::channel(2);
    let producer = Producer {
        coding,
        first_stripe: log.next(),
        memory: Arc::clone(fan.memory()),
        runtime: tokio::runtime::Handle::current(),
        to,
        on_event: Arc::clone(&writer.on_event),
    };
    let memory = Arc::clone(fan.memory());
    let thread = tokio::task::spawn_blocking(move || producer.run(inputs));
    let raw =
        futures::stream::unfold(
            from,
            |mut from: mpsc::Receiver<_>| async move { from.recv().await.map(|raw| (raw, from)) },
        );
    let code = |raw: RawStripe| tokio::task::spawn_blocking(move || Stripe::coded(coding, raw.data, Some(raw.permit)));
    let mut coded = std::pin::pin!(raw.map(code).buffered(CODING_AT_ONCE));
    let sent = async {
        loop {
            match tokio::time::timeout(LOOK_EVERY, coded.next()).await {
                Ok(Some(stripe)) => {
                    let stripe = stripe.map_err(DriveError::from)?.map_err(DriveError::from)?;
                    let number = log.append(&stripe)?;
                    StripeRun::push(&mut runs, number, stripe.size, &stripe.ids, coding);
                    fan.push(stripe).await?;
                },
                Ok(None) => return Ok(()),
                Err(_) => {},
            }
            fan.look().await?;
        }
    };
    let sent: Result<(), Failed> = sent.await;
    if sent.is_err() {
        // The thread may wait for memory that nobody gives back any more.
        memory.close();
    }
    sent?;
    let laid = thread.await.map_err(DriveError::from)??;
    Ok((laid, runs))
}

impl From<crate::manifest::TreeError> for Failed {
    fn from(error: crate::manifest::TreeError) -> Self {
        Failed::Error(error.into())
    }
}

impl From<DriveError> for Failed {
    fn from(error: DriveError) -> Self {
        Failed::Error(error)
    }
}

/// The entry of a put file.
fn file_entry(laid: &Laid, put: &Put, key: [u8; 32]) -> FileEntry {
    FileEntry {
        size: laid.size,
        modified_ms: put.modified_ms,
        mode: put.mode & 0o7777,
        key,
        commitment: laid.commitment.unwrap_or_default(),
        stripe: laid.stripe,
        offset: laid.offset,
    }
}

/// Whether all shards of a coding's stripes are alike.
fn alike(coding: Coding) -> bool {
    coding == Coding::K1
}
