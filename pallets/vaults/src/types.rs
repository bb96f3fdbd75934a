// SPDX-License-Identifier: Apache-2.0

//! What the pallet stores, and the numbers that it goes by.

use cairn_primitives::storage::{VaultStatus, ADDRESSES_MAX, ADDRESS_BYTES_MAX};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{dispatch::DispatchResult, traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// Plancks.
pub type Balance = u128;
/// Where a vault is reached: `host:port`.
pub type Address = BoundedVec<u8, ConstU32<ADDRESS_BYTES_MAX>>;
/// All places where a vault is reached.
pub type Addresses = BoundedVec<Address, ConstU32<ADDRESSES_MAX>>;

/// Units that one vault can offer: 4 PiB.
pub const CAPACITY_UNITS_MAX: u64 = 1 << 40;
/// Plancks that a vault can ask for a GiB and period.
pub const ASK_MAX: Balance = (1 << 95) - 1;
/// Vaults with their turn in one block.
pub const VAULTS_PER_PLACE_MAX: u32 = 32;
/// Blocks of a period that are tried to find a place in.
pub const PLACES_TRIED_MAX: u32 = 128;

/// Classes of room: class `c` has room for `2^c .. 2^(c+1)` units.
pub const ROOM_CLASSES: usize = 41;
/// Classes of asks: class `c` asks with `2c - 1` or `2c` bits, 0 for nothing.
pub const ASK_CLASSES: u8 = 49;

/// Millionths of one.
pub const ONE_PPM: u64 = 1_000_000;
/// With a score below this a vault gets no new slots.
pub const SUSPEND_BELOW_PPM: u32 = 800_000;
/// With a score of this it gets some again.
pub const RESUME_AT_PPM: u32 = 900_000;
/// With a score below this, after [`PROBATION_TURNS`], a vault is thrown out.
pub const EJECT_BELOW_PPM: u32 = 400_000;
/// Turns before a vault counts as proven.
pub const PROBATION_TURNS: u32 = 10;
/// A vault on probation draws as if it had so many times less room.
pub const PROBATION_DIVISOR: u64 = 4;
/// Turns that a vault's history tells of.
pub const HISTORY_TURNS: u32 = 30;
/// What an event of weight one takes off all that was before, in millionths: some 20 turns are remembered.
pub const DECAY_PPM: u64 = 50_000;

/// Why a score moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub enum Cause {
    /// It showed all that it was asked for.
    Proven,
    /// It let a challenge lapse.
    Missed,
    /// It showed something wrong.
    ProofInvalid,
    /// It did not show what was said to be unreadable.
    DisputeLost,
    /// It said of another that it could not be read, and that was so.
    AccusationRight,
    /// It rebuilt a slot.
    Restored,
    /// It had a slot that was written to, signed nothing, neither caught up nor declined, and another rebuilt the slot. So many
    /// times before, since it last proved what it has.
    Unsigned(u8),
}

impl Cause {
    /// Whether it speaks for the vault, and its weight in millionths of a turn.
    ///
    /// A right accusation weighs little: friends could stage it. A slot that was never signed for weighs a quarter of a turn, and
    /// twice as much each further time, up to two.
    pub const fn weight(self) -> (bool, u64) {
        match self {
            Cause::Proven | Cause::Restored => (true, ONE_PPM),
            Cause::AccusationRight => (true, ONE_PPM / 10),
            Cause::Missed => (false, ONE_PPM),
            Cause::Unsigned(times) => (false, (ONE_PPM / 4) << if times < 3 { times } else { 3 }),
            Cause::DisputeLost => (false, 3 * ONE_PPM),
            Cause::ProofInvalid => (false, 5 * ONE_PPM),
        }
    }
}

/// Why a bond changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub enum BondCause {
    /// Its vault added to it.
    Added,
    /// Its vault took from it.
    Taken,
    /// It was slashed.
    Slashed,
}

/// What is remembered of right and wrong, in millionths of a turn, older events counting less (as Storj's audit scores,
/// after Josang's beta reputation).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Reputation {
    /// Of right.
    pub alpha_ppm: u64,
    /// Of wrong.
    pub beta_ppm: u64,
}

impl Default for Reputation {
    /// Five turns of credit: one early miss doesn't suspend, two do.
    fn default() -> Self {
        Reputation { alpha_ppm: 5 * ONE_PPM, beta_ppm: 0 }
    }
}

impl Reputation {
    /// `alpha / (alpha + beta)` in millionths.
    pub fn score_ppm(&self) -> u32 {
        let all = u128::from(self.alpha_ppm) + u128::from(self.beta_ppm);
        (u128::from(self.alpha_ppm) * u128::from(ONE_PPM)).checked_div(all).unwrap_or(0) as u32
    }

    /// With one more event. What was before fades in proportion to the event's weight, so that many small events are no
    /// way to make a large one forgotten.
    pub fn after(self, cause: Cause) -> Self {
        let (good, weight) = cause.weight();
        let kept = ONE_PPM.saturating_sub(DECAY_PPM * weight / ONE_PPM);
        let fade = |value: u64| (u128::from(value) * u128::from(kept) / u128::from(ONE_PPM)) as u64;
        let (alpha, beta) = (fade(self.alpha_ppm), fade(self.beta_ppm));
        match good {
            true => Reputation { alpha_ppm: alpha.saturating_add(weight), beta_ppm: beta },
            false => Reputation { alpha_ppm: alpha, beta_ppm: beta.saturating_add(weight) },
        }
    }
}

/// Where a vault stands in the index that groups are drawn from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Position {
    /// What it asks: [`ask_class`].
    pub ask_class: u8,
    /// What it has room for: [`room_class`].
    pub room_class: u8,
    /// Which in the class.
    pub index: u32,
}

/// How many vaults there are in each class of room, for one class of asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Row(pub [u32; ROOM_CLASSES]);

impl Default for Row {
    fn default() -> Self {
        Row([0; ROOM_CLASSES])
    }
}

/// The class of an ask. Asks of one class differ by less than a factor of four.
pub const fn ask_class(ask: Balance) -> u8 {
    ((Balance::BITS - ask.leading_zeros()) as u8).div_ceil(2)
}

/// The class of so many units of room; none without any.
pub const fn room_class(units: u64) -> Option<u8> {
    match units.checked_ilog2() {
        Some(class) if (class as usize) < ROOM_CLASSES => Some(class as u8),
        Some(_) => Some(ROOM_CLASSES as u8 - 1),
        None => None,
    }
}

/// A vault.
///
/// # Correctness
/// `bond` is what is held of its account; `reserved_units` and `slots` are what storage has reserved and not released;
/// `position` is there if and only if the vault can be drawn.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Vault {
    /// How far it is trusted.
    pub status: VaultStatus,
    /// It wants no new slots.
    pub paused: bool,
    /// Ed25519 key that it is known by on the network, and signs receipts with.
    pub service_key: [u8; 32],
    /// Units that it offers, at most [`CAPACITY_UNITS_MAX`].
    pub capacity_units: u64,
    /// Units that the capacities of its drives add up to.
    pub reserved_units: u64,
    /// Slots that it has or is rebuilding.
    pub slots: u32,
    /// Plancks for a GiB and period, at least.
    pub ask: Balance,
    /// Plancks held of its account.
    pub bond: Balance,
    /// Its place in a period, in blocks from the period's start.
    pub place_block: u32,
    /// What is remembered of it.
    pub reputation: Reputation,
    /// Turns so far.
    pub turns: u32,
    /// Its last [`HISTORY_TURNS`] turns, the newest in bit 0: 1 is a miss.
    pub missed_history: u32,
    /// Which of these turns were forgiven.
    pub forgiven_history: u32,
    /// Misses one after the other.
    pub missed_in_row: u8,
    /// Slots that it never signed for, since it last proved what it has.
    pub unsigned_in_row: u8,
    /// Where it stands in the index.
    pub position: Option<Position>,
}

/// What keeps account of what vaults earn: asked before a vault is removed.
pub trait Ledger<AccountId> {
    /// Pays out and closes a vault's book.
    ///
    /// # Errors
    /// Whatever there is still to be done between the vault and its drives.
    fn close(who: &AccountId) -> DispatchResult;
}

/// Nothing is kept.
impl<AccountId> Ledger<AccountId> for () {
    fn close(_: &AccountId) -> DispatchResult {
        Ok(())
    }
}
