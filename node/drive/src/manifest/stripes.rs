// SPDX-License-Identifier: Apache-2.0

//! Ids of the shards of stripes.

use cairn_primitives::storage::{Coding, ShardId, ShardSize};
use codec::{Compact, Decode, Encode, Input};

use super::ManifestError;
use crate::page::PageRef;

/// Ids in a run at most: of 2,048 stripes at the widest coding, 4 GiB.
pub const RUN_IDS_MAX: u32 = 1 << 16;

/// Ids that a stripe has: with one data shard all shards are equal.
pub const fn ids_per_stripe(coding: Coding) -> usize {
    match coding {
        Coding::K1 => 1,
        _ => coding.slots() as usize,
    }
}

/// Consecutive stripes of one size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StripeRun {
    /// The first.
    pub first: u64,
    /// Size of their shards.
    pub size: ShardSize,
    /// Ids of their shards, stripe by stripe.
    pub ids: Vec<ShardId>,
}

impl StripeRun {
    /// How many stripes.
    pub fn stripes(&self, coding: Coding) -> u64 {
        (self.ids.len() / ids_per_stripe(coding)) as u64
    }

    /// The stripe behind the last.
    pub fn end(&self, coding: Coding) -> u64 {
        self.first.saturating_add(self.stripes(coding))
    }

    /// The ids of a stripe's shards, if it is among these: one if all shards are equal.
    pub fn ids_of(&self, stripe: u64, coding: Coding) -> Option<&[ShardId]> {
        let index = usize::try_from(stripe.checked_sub(self.first)?).ok()?;
        let per_stripe = ids_per_stripe(coding);
        self.ids.get(index.checked_mul(per_stripe)?..index.checked_add(1)?.checked_mul(per_stripe)?)
    }

    /// Whether it can be what it says.
    pub fn check(&self, coding: Coding) -> Result<(), ManifestError> {
        let whole = !self.ids.is_empty() && self.ids.len().is_multiple_of(ids_per_stripe(coding));
        let bounded = self.first.checked_add(self.stripes(coding)).is_some();
        if whole && bounded {
            Ok(())
        } else {
            Err(ManifestError("a run of stripes has no whole number of stripes"))
        }
    }

    /// Adds a stripe to the last of the runs if it follows it, else as a run of its own.
    pub fn push(runs: &mut Vec<StripeRun>, stripe: u64, size: ShardSize, ids: &[ShardId], coding: Coding) {
        let room = RUN_IDS_MAX as usize - ids.len();
        match runs.last_mut() {
            Some(run) if run.size == size && run.end(coding) == stripe && run.ids.len() <= room => {
                run.ids.extend_from_slice(ids);
            },
            _ => runs.push(StripeRun { first: stripe, size, ids: ids.to_vec() }),
        }
    }
}

impl Encode for StripeRun {
    fn encode_to<T: codec::Output + ?Sized>(&self, to: &mut T) {
        Compact(self.first).encode_to(to);
        self.size.encode_to(to);
        self.ids.encode_to(to);
    }
}

impl Decode for StripeRun {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let first = Compact::<u64>::decode(input)?.0;
        let size = ShardSize::decode(input)?;
        let count = Compact::<u32>::decode(input)?.0;
        if count == 0 || count > RUN_IDS_MAX {
            return Err("a run of stripes is empty or too long".into());
        }
        // Bounded by what is there before memory is taken.
        if input.remaining_len()?.is_some_and(|left| left < count as usize * 32) {
            return Err("a run of stripes is cut off".into());
        }
        let ids = (0..count).map(|_| ShardId::decode(input)).collect::<Result<_, _>>()?;
        Ok(StripeRun { first, size, ids })
    }
}

/// Where ids of content are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Table {
    /// Here.
    Here(StripeRun),
    /// In a part of their own: a list of runs that follow each other from `first` up to, without, `end`.
    Apart {
        /// The first stripe.
        first: u64,
        /// The stripe behind the last.
        end: u64,
        /// Units of one slot's shards of them: so that the part need not be read by who looks for something behind it.
        units: u64,
        /// The part.
        page: PageRef,
    },
}

impl Table {
    /// The stripes that it may speak of.
    pub fn covers(&self, coding: Coding) -> std::ops::Range<u64> {
        match self {
            Table::Here(run) => run.first..run.end(coding),
            Table::Apart { first, end, .. } => *first..*end,
        }
    }

    /// Whether it can be what it says.
    pub fn check(&self, coding: Coding) -> Result<(), ManifestError> {
        match self {
            Table::Here(run) => run.check(coding),
            Table::Apart { first, end, units, .. } if first < end && *units >= end - first => Ok(()),
            Table::Apart { .. } => Err(ManifestError("a table of stripes covers none")),
        }
    }
}

/// The runs in a table's part, if they are what the table says.
///
/// # Errors
/// [`ManifestError`] if they aren't.
pub fn runs_of_part(
    mut bytes: &[u8],
    covers: std::ops::Range<u64>,
    units: u64,
    coding: Coding,
) -> Result<Vec<StripeRun>, ManifestError> {
    let wrong = ManifestError("a table of stripes isn't what its entry says");
    let runs: Vec<StripeRun> = codec::DecodeAll::decode_all(&mut bytes)?;
    let (mut next, mut sum) = (covers.start, 0u64);
    for run in &runs {
        run.check(coding)?;
        if run.first != next {
            return Err(wrong);
        }
        next = run.end(coding);
        sum = sum.saturating_add(run.stripes(coding).saturating_mul(run.size.units()));
    }
    if next == covers.end && sum == units {
        Ok(runs)
    } else {
        Err(wrong)
    }
}

impl Encode for Table {
    fn encode_to<T: codec::Output + ?Sized>(&self, to: &mut T) {
        match self {
            Table::Here(run) => {
                to.push_byte(0);
                run.encode_to(to);
            },
            Table::Apart { first, end, units, page } => {
                to.push_byte(1);
                (Compact(*first), Compact(*end), Compact(*units), page).encode_to(to);
            },
        }
    }
}

impl Decode for Table {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        match input.read_byte()? {
            0 => StripeRun::decode(input).map(Table::Here),
            1 => {
                let (Compact(first), Compact(end), Compact(units), page) =
                    <(Compact<u64>, Compact<u64>, Compact<u64>, PageRef)>::decode(input)?;
                Ok(Table::Apart { first, end, units, page })
            },
            _ => Err("no such kind of table".into()),
        }
    }
}
