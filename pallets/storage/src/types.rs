// SPDX-License-Identifier: Apache-2.0

//! What the pallet stores, and the numbers that it goes by.

use cairn_primitives::storage::{
    challenge_id, Coding, DriveId, GrantInfo, Head, SlotAt, SlotState, Successor, Target, Visibility, SLOTS_MAX,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use pallet_vaults::Balance;
use scale_info::TypeInfo;

/// Drives of one account.
pub const DRIVES_MAX: u32 = 1_000;
/// Grants of one drive.
pub const GRANTS_MAX: u32 = 64;
/// Chunks of one challenge.
pub const PROOFS_MAX: u32 = 16;
/// Slots that one call asks successors for.
pub const LEAVES_MAX: u32 = 64;
/// Drives that one block ends or warns of, as long as other blocks have room.
pub const ENDINGS_PER_BLOCK: u32 = 8;
/// Drives that one block ends or warns of at the most, where no other block was found: the widest take some 0.4 s of it.
pub const ENDINGS_PER_BLOCK_MAX: u32 = 32;
/// Drives that one block ends or looks at beside those, of the ones that no block before they are dry had room for.
pub const ENDINGS_LATE_PER_BLOCK: u32 = 8;
/// What such a drive names as its block: block 0 has no drives to end.
pub const QUEUED_LATE: u32 = 0;
/// Slots that one block draws vaults for in new groups; a drive's group is drawn whole.
pub const GROUP_SLOTS_PER_BLOCK: u32 = 64;
/// How often, for each of its slots, an owner can have a silent vault replaced before the first checkpoint.
pub const REDRAWS_PER_SLOT: u32 = 3;
/// Disputes that end with one block.
pub const DISPUTES_PER_BLOCK_MAX: u32 = 8;
/// Later blocks that are tried for a dispute's end.
pub const DISPUTE_BLOCKS_TRIED_MAX: u32 = 32;
/// Slots of ejected vaults that one block empties.
pub const EVICTIONS_PER_BLOCK: u32 = 8;
/// Entries of each repair queue that one block looks at; of the slots that wait, more where there are many.
pub const LOOKS_PER_BLOCK: u32 = 6;
/// Waiting slots that one block looks at, at most.
pub const LOOKS_AT_WAITING_MAX: u32 = 24;
/// All waiting slots are looked at within this part of a period, as long as [`LOOKS_AT_WAITING_MAX`] allows that.
pub const WAITING_ROUND_DIVISOR: u32 = 8;
/// Successors that one block draws, or finds that there is none.
pub const DRAWS_PER_BLOCK: u32 = 4;
/// How many of these each queue has for itself; what one leaves, the others take, in this order.
pub const DRAW_SHARES: [(Queue, u32); 3] = [(Queue::Urgent, 2), (Queue::Vacant, 1), (Queue::Doubtful, 1)];
/// After so many failures in a row a slot is doubtful.
pub const FAILURES_DOUBTFUL: u8 = 2;
/// After its first failure a slot rests for this part of a period, and twice as long after each further one.
pub const PAUSE_DIVISOR: u32 = 64;
/// Periods that a slot rests at the most.
pub const PAUSE_PERIODS_MAX: u32 = 4;
/// Units that a successor is given one block more for: 16 MiB, 45 Mbit/s where blocks take 3 s.
pub const RESTORE_UNITS_PER_BLOCK: u64 = 4_096;
/// Classes of liability: class `c` is for `2^c .. 2^(c+1)` units.
pub const CLASSES: usize = pallet_vaults::ROOM_CLASSES;

/// Windows of a period in which turns and misses are counted, at most.
pub const WINDOWS_MAX: usize = 64;
/// Challenged vaults that a stretch of windows needs to show an outage.
pub const SAMPLE_VAULTS: u32 = 12;
/// The same for a stretch of a whole period, in which each vault is challenged once: as many as the smallest group has.
pub const SAMPLE_VAULTS_PERIOD: u32 = 4;

/// Of a bond, for a miss that isn't forgiven: 1%.
pub const MISS_PPM: u128 = 10_000;
/// Of a bond, for the miss that a vault is ejected for: 10%.
pub const EJECTION_PPM: u128 = 100_000;
/// Of what is slashed after a dispute, to the accuser: 10%.
pub const BOUNTY_PPM: u128 = 100_000;
/// No more than so many times the accuser's deposit.
pub const BOUNTY_DEPOSITS_MAX: u128 = 10;
/// Of what was slashed for a slot, to whoever restores it: 50%. With [`BOUNTY_PPM`] less than all of it, so that nobody gains by
/// having a vault of one's own slashed.
pub const BONUS_PPM: u128 = 500_000;
/// A slot that is behind for this part of a period gets a successor.
pub const BEHIND_GRACE_DIVISOR: u32 = 4;

/// So many periods after a group said that a vault serves nobody, another time is the second in a row: the vault can't come back.
pub const UNREACHED_PERIODS: u32 = 8;

/// A key of [`HeldSlots`](crate::HeldSlots): drive, big-endian, and slot, so that keys are in order.
pub type SlotKey = [u8; 9];
/// Roots of all slots, in order.
pub type Roots = BoundedVec<[u8; 32], ConstU32<SLOTS_MAX>>;
/// Ed25519 signatures of the receipts of all slots, in order; none of those who didn't sign.
pub type Signatures = BoundedVec<Option<[u8; 64]>, ConstU32<SLOTS_MAX>>;

/// A drive.
///
/// # Correctness
/// `rate` is `healthy` times what [`slot_rate`](Drive::slot_rate) says, and what has been paid up to `since` is no longer in
/// `escrow`; `queued_block`, if there is one, is not after the block in which the escrow ends, or [`QUEUED_LATE`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Drive<AccountId> {
    /// Whose it is; of it `deposit` is held.
    pub owner: AccountId,
    /// How it is coded.
    pub coding: Coding,
    /// Units that each slot's log may have, those given up not counted.
    pub capacity_units: u64,
    /// Plancks for a GiB of a slot and a period.
    pub price: Balance,
    /// Who may read it.
    pub visibility: Visibility,
    /// Counts checkpoints.
    pub version: u64,
    /// Units of each slot's log, those given up included.
    pub units: u64,
    /// Units at the front that were given up.
    pub trimmed_units: u64,
    /// Where its manifest is.
    pub head: Head,
    /// Counts the changes of its key.
    pub key_generation: u32,
    /// Plancks to pay from, as of `since`.
    pub escrow: Balance,
    /// Plancks that it pays in each block.
    pub rate: Balance,
    /// Block up to which it has paid.
    pub since: u32,
    /// Plancks that it has paid up to then.
    pub spent: Balance,
    /// Plancks held from the owner, grants not counted.
    pub deposit: Balance,
    /// Block in which it was made.
    pub created_block: u32,
    /// Block in which it is looked at next, to end it or to warn.
    pub queued_block: Option<u32>,
    /// The owner was told that it runs dry.
    pub warned: bool,
    /// Slots that are [`SlotState::Healthy`].
    pub healthy: u8,
    /// So many were lost that all that lack are refilled, until none does.
    pub refilling: bool,
    /// Slots without a vault are to be given one by the next draw of groups: it was just made, or its owner had silent vaults
    /// removed.
    pub forming: bool,
    /// Slots whose silent vaults the owner had removed.
    pub redrawn: u8,
    /// Number of grants.
    pub grants: u32,
    /// Plancks held from the owner for these.
    pub grant_deposits: Balance,
}

impl<AccountId> Drive<AccountId> {
    /// Units that each slot's vault is liable for.
    pub fn live_units(&self) -> u64 {
        self.units.saturating_sub(self.trimmed_units)
    }

    /// What each healthy slot earns in a block.
    pub fn slot_rate(&self, period_blocks: u32) -> Balance {
        cairn_primitives::storage::rate_per_block(self.price, self.live_units(), period_blocks)
    }

    /// What a vault of it is liable for and earns.
    pub fn duty(&self, period_blocks: u32) -> Duty {
        Duty { units: self.live_units(), rate: self.slot_rate(period_blocks) }
    }

    /// Decides, after `healthy` has changed, whether what lacks is refilled: from 3k healthy slots down until all are
    /// healthy again. A slot is rebuilt from as much as k slots hold, so that of wide codings a few losses wait for vaults to come
    /// back.
    pub(crate) fn decide_refill(&mut self) {
        let few = self.healthy <= self.coding.signatures_min();
        self.refilling = self.healthy < self.coding.slots() && (self.refilling || few);
    }

    /// Block in which the escrow no longer pays for a whole block; none if it pays for nothing.
    pub fn dry_block(&self) -> Option<u32> {
        let blocks = self.escrow.checked_div(self.rate)?;
        Some(self.since.saturating_add(u32::try_from(blocks).unwrap_or(u32::MAX)))
    }
}

/// What a vault is liable for and earns by one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Duty {
    /// Units.
    pub units: u64,
    /// Plancks in each block.
    pub rate: Balance,
}

/// Where a slot is in its vault's list of liabilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct LiablePlace {
    /// Class of units.
    pub class: u8,
    /// Which in the class.
    pub index: u32,
}

/// One slot of a drive.
///
/// # Correctness
/// `vault` is none if and only if the state is `Empty`; `behind_block` is there if and only if it is `Behind`; `place` if and
/// only if it is `Healthy` with units that are not given up.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Slot<AccountId> {
    /// Whose it is.
    pub vault: Option<AccountId>,
    /// Where it stands.
    pub state: SlotState,
    /// Root of its log at the drive's version.
    pub root: [u8; 32],
    /// Who is rebuilding it.
    pub successor: Option<Successor<AccountId>>,
    /// Its vault has asked for a successor.
    pub leaving: bool,
    /// Block of the last proof, or of the vault's acceptance.
    pub proven_block: Option<u32>,
    /// Block since which it is behind.
    pub behind_block: Option<u32>,
    /// There is a dispute about it.
    pub disputed: bool,
    /// Where it is in its vault's list.
    pub place: Option<LiablePlace>,
    /// It has an entry in a repair queue.
    pub queued: bool,
    /// A vault has signed for its root, or has shown a chunk of it. What no vault ever accepted may be no log of this drive.
    pub accepted: bool,
    /// Plancks that the reserve pays at most to whoever restores it: a part of what was slashed for it.
    pub bounty: Balance,
    /// Successors in a row that didn't take it over, or that weren't to be found.
    pub failures: u8,
    /// No successor is drawn, and its vault can't show that it is back, before this block.
    pub not_before: u32,
    /// A vault that is not to be drawn for it next: it declined, or was silent.
    pub former: Option<AccountId>,
    /// Who said lately that its vault serves nobody.
    pub unserved: Unserved,
}

impl<AccountId> Slot<AccountId> {
    /// A slot that no vault has yet, of a log with this root.
    pub(crate) fn new(root: [u8; 32]) -> Self {
        Slot {
            vault: None,
            state: SlotState::Empty,
            root,
            successor: None,
            leaving: false,
            proven_block: None,
            behind_block: None,
            disputed: false,
            place: None,
            queued: false,
            // There is nothing in it that could be wrong.
            accepted: true,
            bounty: 0,
            failures: 0,
            not_before: 0,
            former: None,
            unserved: Unserved::default(),
        }
    }

    /// Forgets what made it hard to find it a vault: it has one.
    pub(crate) fn settle(&mut self) {
        self.behind_block = None;
        self.bounty = 0;
        self.failures = 0;
        self.not_before = 0;
        self.former = None;
    }
}

/// When nearly all of a group said that a slot's vault serves nobody, and how often in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Unreached {
    /// Block of the last time.
    pub block: u32,
    /// Times, each within [`UNREACHED_PERIODS`] of the one before.
    pub times: u8,
}

/// A word of one vault of a group that another serves nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Report {
    /// The other's slot.
    pub at: SlotAt,
    /// Number of the slot that the one who says so has in the same drive.
    pub by: u8,
}

/// Which members of a group said that the vault of a slot serves nobody.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Unserved {
    /// Bit `i` for the vault of slot `i`.
    pub by: u32,
    /// Block of the first of these words; they count for a period.
    pub since: u32,
}

/// How many slots a vault is liable for in each class of units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Classes(pub [u32; CLASSES]);

impl Default for Classes {
    fn default() -> Self {
        Classes([0; CLASSES])
    }
}

/// A missed challenge that is yet to be judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Miss {
    /// The challenge's block.
    pub turn_block: u32,
    /// The vault's turn with this number, the first being 1.
    pub turn: u32,
    /// It was the last of too many in a row.
    pub ejecting: bool,
    /// The vault was ejected for it, and had not meant to leave.
    pub ejected: bool,
}

/// What a vault is liable for, and what it earns.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Book {
    /// Plancks that it earns in each block.
    pub rate: Balance,
    /// Plancks earned up to `since`, and not yet at stake or paid.
    pub pending: Balance,
    /// Block up to which `pending` counts.
    pub since: u32,
    /// Plancks paid so far.
    pub paid: Balance,
    /// Units that it is liable for.
    pub liable_units: u64,
    /// Its slots by class of units.
    pub classes: Classes,
    /// A miss that is yet to be judged.
    pub miss: Option<Miss>,
    /// It was ejected, and its slots are being emptied.
    pub evicting: bool,
    /// What it was ejected for was forgiven: it is back when that is done.
    pub readmitted: bool,
}

/// What a vault has to show.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Challenge {
    /// Block in which it was fixed.
    pub turn_block: u32,
    /// Last block in which it can be answered.
    pub due_block: u32,
    /// Plancks to be had for it.
    pub at_stake: Balance,
    /// What to show. What ends to be the vault's duty is taken out.
    pub targets: BoundedVec<Target, ConstU32<PROOFS_MAX>>,
}

impl Challenge {
    /// What an answer names: see [`challenge_id`].
    pub fn id(&self) -> [u8; 32] {
        challenge_id(self.turn_block, &self.targets)
    }
}

/// A claim that a chunk can't be read.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Dispute<AccountId> {
    /// Who claims it; of it `deposit` is held.
    pub accuser: AccountId,
    /// What to show.
    pub target: Target,
    /// Last block in which it can be answered.
    pub due_block: u32,
    /// Plancks held.
    pub deposit: Balance,
}

/// A grant with what is held for it of the drive's owner.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Grant {
    /// What is told.
    pub info: GrantInfo,
    /// Plancks held of the drive's owner.
    pub deposit: Balance,
}

/// A key that an account published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct PublishedKey {
    /// X25519.
    pub key: [u8; 32],
    /// Plancks held of the account.
    pub deposit: Balance,
}

/// How a stretch of time went.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Tally {
    /// Turns in it at which vaults were challenged.
    pub challenged: u32,
    /// Of these, those that were missed.
    pub missed: u32,
}

impl Tally {
    /// Whether so many missed that it was the network's fault: more than a third.
    pub const fn is_outage(&self) -> bool {
        self.missed as u64 * 3 > self.challenged as u64
    }

    const fn and(self, other: Tally) -> Tally {
        Tally {
            challenged: self.challenged.saturating_add(other.challenged),
            missed: self.missed.saturating_add(other.missed),
        }
    }

    /// Whether a greater share missed than in another.
    const fn is_worse_than(&self, other: &Tally) -> bool {
        self.missed as u64 * other.challenged as u64 > other.missed as u64 * self.challenged as u64
    }
}

/// How the windows of one calendar period went; those that the period hasn't are empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Windows(pub [Tally; WINDOWS_MAX]);

impl Default for Windows {
    fn default() -> Self {
        Windows([Tally::default(); WINDOWS_MAX])
    }
}

/// How it went around window `at`: of all stretches that hold or touch it and have enough challenged vaults to tell by, the one of
/// which the greatest share missed. None if none has. From each window on there are two: the shortest with [`SAMPLE_VAULTS`], so
/// that what happened at another time says nothing, and a whole period, of `period` windows, with [`SAMPLE_VAULTS_PERIOD`].
/// Takes `period` steps for each of `period + 2` windows at most.
pub fn worst_stretch(windows: &[Tally], at: usize, period: usize) -> Option<Tally> {
    let mut worst: Option<Tally> = None;
    for begin in at.saturating_sub(period)..=at.saturating_add(1) {
        let (mut sum, mut is_short) = (Tally::default(), true);
        for (length, tally) in (1..=period).zip(windows.iter().skip(begin)) {
            sum = sum.and(*tally);
            let is_shortest = is_short && sum.challenged >= SAMPLE_VAULTS;
            is_short = is_short && !is_shortest;
            let tells = is_shortest || (length == period && sum.challenged >= SAMPLE_VAULTS_PERIOD);
            let touches = begin.saturating_add(length) >= at;
            if tells && touches && worst.is_none_or(|worst| sum.is_worse_than(&worst)) {
                worst = Some(sum);
            }
        }
    }
    worst
}

/// Which repair queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub enum Queue {
    /// To be given a successor, of drives that have lost more than a quarter.
    Urgent,
    /// To be given a successor.
    Vacant,
    /// To be given a successor, of a root that no vault ever accepted, or after several failures: what perhaps can't be done has
    /// a share of the draws, and takes none from others.
    Doubtful,
    /// Waiting for anything else: a successor's proof, the end of a grace, more losses.
    Waiting,
}

impl Queue {
    /// All queues, in the order in which they are looked at.
    pub const ALL: [Queue; 4] = [Queue::Urgent, Queue::Vacant, Queue::Doubtful, Queue::Waiting];
}

/// Numbers of a queue's first entry and of the one after its last.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Span {
    /// First.
    pub first: u64,
    /// After the last.
    pub end: u64,
}

impl Span {
    /// Entries in the queue.
    pub const fn entries(&self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    /// Makes room for one more entry, and gives its number.
    pub fn push(&mut self) -> u64 {
        let number = self.end;
        self.end = number.saturating_add(1);
        number
    }
}

/// Why a slot changed hands or state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub enum SlotCause {
    /// Its vault signed a checkpoint.
    Signed,
    /// Its vault didn't sign a checkpoint.
    NotSigned,
    /// Its vault showed that it caught up.
    CaughtUp,
    /// A successor rebuilt it.
    Restored,
    /// Its vault showed something wrong.
    ProofWrong,
    /// Its vault didn't show what was said to be unreadable.
    DisputeLost,
    /// Its vault was ejected.
    Ejected,
    /// It was drawn for a vault, of a drive that was just made or has no version yet.
    Drawn,
    /// The owner had a vault removed that signed nothing.
    Redrawn,
    /// Its vault declined it, and was not liable for it.
    Declined,
    /// The other vaults of the group said that its vault serves nobody.
    Unserved,
}

/// Why a drive ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub enum EndCause {
    /// Its owner closed it.
    Closed,
    /// Its escrow no longer paid for a block.
    RanDry,
    /// Fewer vaults than it needs ask at most its price and have room; all that was paid came back.
    #[codec(index = 3)]
    NotEnoughVaults,
}

/// Key of a slot in [`HeldSlots`](crate::HeldSlots).
pub fn slot_key(at: SlotAt) -> SlotKey {
    let mut key = [0; 9];
    key[..8].copy_from_slice(&at.drive.to_be_bytes());
    key[8] = at.slot;
    key
}

/// The slot of a key.
pub fn slot_of(key: SlotKey) -> SlotAt {
    let mut drive = [0; 8];
    drive.copy_from_slice(&key[..8]);
    SlotAt { drive: DriveId::from_be_bytes(drive), slot: key[8] }
}
