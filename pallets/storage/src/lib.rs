// SPDX-License-Identifier: Apache-2.0

//! # Storage: drives, and the vaults that are liable for them
//!
//! ## A drive
//! A contract between an owner and the `4k` vaults that the chain drew for it: a capacity, a price, an escrow. Slot `i` is an
//! append-only log of shards, held by one vault; of each the chain keeps `(root, units)`, never bytes or files.
//!
//! 1. [`Call::create_drive`] draws the group, takes a deposit and the escrow.
//! 2. [`Call::checkpoint`] commits any number of files at once: compare-and-set on the version, a root for each slot, and
//!    signatures of at least `3k` vaults, which thereby become liable. Who didn't sign is `Behind`: not liable and not paid until
//!    it shows that it caught up ([`Call::restore`]), or another takes the slot over.
//! 3. It ends when its owner closes it, or exactly in the block for which its escrow no longer pays. The owner is told a
//!    period before.
//!
//! ## Pay
//! Each healthy slot costs its drive [`rate_per_block`](cairn_primitives::storage::rate_per_block) in every block, and earns
//! its vault just that. Both are settled lazily: a drive's rate and a vault's change by the same integers in the same
//! block. What a vault earned is *pending*; at its turn it is put *at stake*; a valid proof pays it, a miss forfeits it to the
//! repair reserve. All of it lies in one account ([`Pallet::pot`]).
//!
//! ## Proof
//! Each vault has one turn a period. A challenge is then drawn: chunks uniform over all units that the vault is liable for,
//! at a cost that doesn't depend on how many drives it has. The penalty for a miss is judged at the vault's next
//! deadline, when it is known how many others missed: in an outage (more than a third of those challenged in a stretch of time
//! around it, [`worst_stretch`]) it is forgiven, but no more than a fifth of a vault's last turns are. Three misses in a row empty a
//! vault's slots at once, outage or not; if they are forgiven, it may have others. What is shown and wrong costs that slot and its
//! bond, always.
//!
//! ## Repair
//! A slot that is empty, left, or behind for too long gets a successor, drawn by the chain, which shows a chunk that follows
//! from its account and the committed root. Nobody's permission or key is needed: coding is over ciphertext.
//!
//! ## Disputes
//! A member of a drive's group, or its owner, can claim with a deposit that a chunk can't be read. The accused shows the
//! chunk on chain, or loses slot and bond.
//!
//! ## Properties
//! - The pot holds, to the unit: all escrows, what vaults have pending and at stake, the repair reserve, and one existential
//!   deposit. Every unit that a drive pays is proven for, or forfeited to the reserve.
//! - A drive's rate is the sum of its healthy slots' rates; a vault's the sum over its slots.
//! - A vault has reserved just the capacities of its slots, and is in a drive at most once.
//! - Units never fall by a checkpoint; a version is used once.
//! - All work of a block is bounded, whatever the number of drives, vaults and bytes.
//!
//! `invariants.rs` checks what of this can be seen in a state. `DESIGN.md` says why things are as they are, and what is
//! not defended.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

mod impls {
    mod access;
    mod checkpoint;
    mod disputes;
    mod drives;
    mod evictions;
    mod groups;
    mod liability;
    mod money;
    mod reading;
    mod repair;
    mod turns;
}
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod invariants;
pub mod migrations;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod types;
pub mod weights;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::boxed::Box;
    use cairn_primitives::storage::{
        ChunkProof, Coding, DriveId, Head, Role, SealedKey, SlotAt, SlotState, Visibility, SLOTS_MAX,
    };
    use frame_support::{pallet_prelude::*, traits::Randomness, PalletId};
    use frame_system::pallet_prelude::*;
    use pallet_vaults::Balance;

    /// Version of the storage's layout; see [`crate::migrations`].
    pub const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

    #[pallet::config]
    pub trait Config:
        frame_system::Config<RuntimeEvent: From<Event<Self>>>
        + pallet_vaults::Config<RuntimeHoldReason: From<HoldReason>>
    {
        /// What challenges are drawn by: not known before the block before, so that nobody can change what a vault is liable
        /// for after having seen what would be asked of it.
        type TurnRandomness: Randomness<Self::Hash, BlockNumberFor<Self>>;

        /// Whose account holds all that is neither free nor held.
        #[pallet::constant]
        type PotId: Get<PalletId>;

        /// Chunks of a challenge; at most [`PROOFS_MAX`].
        type Proofs: Get<u32>;

        /// Blocks in which a challenge has to be answered; the period has at least two more.
        type DeadlineBlocks: Get<u32>;

        /// Plancks held for a drive.
        type DriveDeposit: Get<Balance>;

        /// Plancks held for each slot of a drive, in addition.
        type SlotDeposit: Get<Balance>;

        /// Plancks held for a grant, and for a published key.
        type GrantDeposit: Get<Balance>;

        /// Plancks held for a dispute.
        type DisputeDeposit: Get<Balance>;

        /// Blocks in which a dispute has to be answered.
        type DisputeBlocks: Get<u32>;

        /// Blocks in which a successor has to take over.
        type RestoreBlocks: Get<u32>;

        /// Millionths of what is paid into an escrow that go to the repair reserve.
        type ReservePpm: Get<u32>;

        /// Weights of the calls and hooks.
        type WeightInfo: WeightInfo;
    }

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What is held for what.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// A drive and its slots.
        Drive,
        /// A grant.
        Grant,
        /// A dispute, of the accuser.
        Dispute,
        /// A published key.
        SealingKey,
    }

    /// All drives.
    #[pallet::storage]
    pub type Drives<T: Config> = StorageMap<_, Twox64Concat, DriveId, Drive<T::AccountId>>;

    /// Number of the next drive.
    #[pallet::storage]
    pub type NextDrive<T: Config> = StorageValue<_, DriveId, ValueQuery>;

    /// The slots of all drives.
    #[pallet::storage]
    pub type Slots<T: Config> = StorageMap<_, Twox64Concat, SlotAt, Slot<T::AccountId>>;

    /// The drives of each account; keys are big-endian.
    #[pallet::storage]
    pub type OwnerDrives<T: Config> = StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, [u8; 8], ()>;

    /// How many drives an account has.
    #[pallet::storage]
    pub type OwnerDriveCounts<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u32, ValueQuery>;

    /// Who was granted what.
    #[pallet::storage]
    pub type Grants<T: Config> = StorageDoubleMap<_, Twox64Concat, DriveId, Blake2_128Concat, T::AccountId, Grant>;

    /// The drives that were granted to each account; keys are big-endian.
    #[pallet::storage]
    pub type GrantedTo<T: Config> = StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, [u8; 8], ()>;

    /// The keys that accounts published.
    #[pallet::storage]
    pub type SealingKeys<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, PublishedKey>;

    /// What vaults are liable for and earn.
    #[pallet::storage]
    pub type Books<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Book, ValueQuery>;

    /// The slots that a vault has (`false`) or is rebuilding (`true`), in order.
    #[pallet::storage]
    pub type HeldSlots<T: Config> = StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, SlotKey, bool>;

    /// The slots that a vault is liable for: by class of units and number, without gaps.
    #[pallet::storage]
    pub type LiableSlots<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Twox64Concat, (u8, u32), SlotAt>;

    /// The open challenge of each vault.
    #[pallet::storage]
    pub type Challenges<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Challenge>;

    /// How the last calendar periods went.
    #[pallet::storage]
    pub type Tallies<T: Config> = StorageMap<_, Twox64Concat, u32, Windows, ValueQuery>;

    /// Open disputes.
    #[pallet::storage]
    pub type Disputes<T: Config> = StorageMap<_, Twox64Concat, SlotAt, Dispute<T::AccountId>>;

    /// Disputes by the last block in which they can be answered. Settled ones may still be listed.
    #[pallet::storage]
    pub type DisputesDue<T: Config> =
        StorageMap<_, Twox64Concat, u32, BoundedVec<SlotAt, ConstU32<DISPUTES_PER_BLOCK_MAX>>, ValueQuery>;

    /// Drives by the block in which they are looked at, to end them or to warn.
    #[pallet::storage]
    pub type Endings<T: Config> =
        StorageMap<_, Twox64Concat, u32, BoundedVec<DriveId, ConstU32<ENDINGS_PER_BLOCK_MAX>>, ValueQuery>;

    /// The extent of the queue of drives that no block before they are dry had room for.
    #[pallet::storage]
    pub type LateSpan<T: Config> = StorageValue<_, Span, ValueQuery>;

    /// Drives that no block before they are dry had room for. Those that ended, or found room since, may still be listed.
    #[pallet::storage]
    pub type LateDrives<T: Config> = StorageMap<_, Twox64Concat, u64, DriveId>;

    /// The extent of the queue of drives that wait for a draw of groups.
    #[pallet::storage]
    pub type FormingSpan<T: Config> = StorageValue<_, Span, ValueQuery>;

    /// Drives that wait for a draw of groups. Those that ended may still be listed.
    #[pallet::storage]
    pub type FormingDrives<T: Config> = StorageMap<_, Twox64Concat, u64, DriveId>;

    /// The extent of each repair queue.
    #[pallet::storage]
    pub type RepairSpans<T: Config> = StorageMap<_, Twox64Concat, Queue, Span, ValueQuery>;

    /// Slots that are empty, left, behind, or being rebuilt. Those of ended drives may still be listed.
    #[pallet::storage]
    pub type RepairQueue<T: Config> = StorageMap<_, Twox64Concat, (Queue, u64), SlotAt>;

    /// The extent of the queue of ejected vaults.
    #[pallet::storage]
    pub type EvictionSpan<T: Config> = StorageValue<_, Span, ValueQuery>;

    /// Ejected vaults whose slots are being emptied.
    #[pallet::storage]
    pub type Evictions<T: Config> = StorageMap<_, Twox64Concat, u64, T::AccountId>;

    /// Plancks of the repair reserve.
    #[pallet::storage]
    pub type Reserve<T: Config> = StorageValue<_, Balance, ValueQuery>;

    /// Slots whose vault, as nearly all of its group said, served nobody; as long as the vault has the slot.
    #[pallet::storage]
    pub type UnreachedSlots<T: Config> = StorageMap<_, Twox64Concat, SlotAt, Unreached>;

    /// Plancks that vaults earned in blocks for which drives ended late, and that the reserve had not. What the reserve gets next pays
    /// this; 0 where the reserve has anything.
    #[pallet::storage]
    pub type ReserveDebt<T: Config> = StorageValue<_, Balance, ValueQuery>;

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        #[serde(skip)]
        pub _config: core::marker::PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        /// Gives the pot an existential deposit of its own, so that it never ends with what it pays.
        fn build(&self) {
            Pallet::<T>::endow_pot();
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A drive was made. Its vaults are drawn in the next block; a [`SlotChanged`](Event::SlotChanged) tells each.
        DriveCreated {
            drive: DriveId,
            owner: T::AccountId,
            coding: Coding,
            capacity_units: u64,
            price: Balance,
            escrow: Balance,
        },
        /// Somebody paid into a drive's escrow.
        ToppedUp { drive: DriveId, by: T::AccountId, from: Balance, to: Balance },
        /// A drive may have more, or less.
        Resized { drive: DriveId, from_units: u64, to_units: u64 },
        /// A drive has a new version, which so many of its vaults have signed.
        Checkpointed {
            drive: DriveId,
            by: T::AccountId,
            version: u64,
            from_units: u64,
            to_units: u64,
            head: Head,
            signatures: u8,
        },
        /// The front of a drive's logs was given up.
        Trimmed { drive: DriveId, by: T::AccountId, from_units: u64, to_units: u64 },
        /// Others may read a drive, or no longer.
        VisibilityChanged { drive: DriveId, from: Visibility, to: Visibility },
        /// An account was granted a drive's key; `from` is what it had.
        Granted {
            drive: DriveId,
            account: T::AccountId,
            from: Option<Role>,
            to: Role,
            until_block: Option<u32>,
            key_generation: u32,
        },
        /// A grant ended, and the drive's key with it for all that is written from now on.
        Revoked { drive: DriveId, account: T::AccountId, from_generation: u32, to_generation: u32 },
        /// A grant has the drive's newest key.
        Rekeyed { drive: DriveId, account: T::AccountId, from_generation: u32, to_generation: u32 },
        /// A drive has a new owner, and another key for all that is written from now on.
        DriveTransferred {
            drive: DriveId,
            from: T::AccountId,
            to: T::AccountId,
            from_generation: u32,
            to_generation: u32,
        },
        /// A drive's escrow ends within a period.
        DriveRunsDry { drive: DriveId, owner: T::AccountId, dry_block: u32 },
        /// A drive ended, and what was left of its escrow went to its owner.
        DriveEnded { drive: DriveId, owner: T::AccountId, cause: EndCause, refund: Balance },
        /// An account's sealing key changed.
        SealingKeyChanged { who: T::AccountId, from: Option<[u8; 32]>, to: Option<[u8; 32]> },
        /// A slot has another vault, or its vault is liable for it or not as before.
        SlotChanged {
            at: SlotAt,
            from: Option<T::AccountId>,
            from_state: SlotState,
            to: Option<T::AccountId>,
            to_state: SlotState,
            cause: SlotCause,
        },
        /// A slot's vault asked to be relieved of it.
        LeaveAsked { at: SlotAt, vault: T::AccountId },
        /// Another vault, or none, is to rebuild a slot until a block.
        SuccessorChanged { at: SlotAt, from: Option<T::AccountId>, to: Option<T::AccountId>, due_block: Option<u32> },
        /// The reserve paid for a rebuilt slot.
        BonusPaid { at: SlotAt, vault: T::AccountId, amount: Balance },
        /// A vault has to show so many chunks.
        Challenged { vault: T::AccountId, turn_block: u32, due_block: u32, at_stake: Balance, targets: u32 },
        /// It did, and was paid.
        Proven { vault: T::AccountId, turn_block: u32, paid: Balance },
        /// It showed something wrong of this slot, and its bond for it was slashed.
        ProofWrong { vault: T::AccountId, turn_block: u32, at: SlotAt, slashed: Balance },
        /// What a vault would have been paid went to the reserve, because of a wrong proof or of none.
        PayForfeited { vault: T::AccountId, turn_block: u32, amount: Balance, missed: bool },
        /// A vault had nothing to show, and was paid what was left.
        Paid { vault: T::AccountId, amount: Balance },
        /// A miss was judged: forgiven in an outage, slashed otherwise. `challenged` and `missed` are of the stretch of time
        /// around it of which the greatest share missed; nothing if too few had their turn to tell.
        MissJudged { vault: T::AccountId, turn_block: u32, challenged: u32, missed: u32, slashed: Balance },
        /// A vault was ejected; its slots will be emptied.
        VaultEjected { vault: T::AccountId, slots: u32 },
        /// It is claimed that a chunk can't be read.
        Disputed { at: SlotAt, accuser: T::AccountId, accused: T::AccountId, chunk: u64, due_block: u32 },
        /// The accused showed it; the deposit came back.
        DisputeAnswered { at: SlotAt, accuser: T::AccountId, accused: T::AccountId },
        /// A member of a group says that the vault of a slot serves nobody; so many said so within a period.
        ReportedUnserved { at: SlotAt, vault: T::AccountId, by: T::AccountId, reports: u8 },
        /// The accused did not.
        DisputeLost { at: SlotAt, accuser: T::AccountId, accused: T::AccountId, slashed: Balance, bounty: Balance },
        /// A dispute ended because there is nothing left to show; the deposit came back.
        DisputeVoided { at: SlotAt, accuser: T::AccountId },
        /// The repair reserve grew or shrank.
        ReserveChanged { from: Balance, to: Balance },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// There is no such drive.
        DriveUnknown,
        /// The drive has no such slot.
        SlotUnknown,
        /// Only the drive's owner may do this.
        NotOwner,
        /// Only the drive's owner, or who has a writer's grant that didn't expire, may do this.
        NotWriter,
        /// A capacity of nothing, of more than a vault can offer, or of less than the drive has.
        CapacityInvalid,
        /// The price is higher than a vault can ask.
        PriceTooHigh,
        /// The escrow, after the reserve's part, must pay for a period: of the whole capacity when a drive is made or
        /// grows, of what it has when more is committed.
        EscrowTooSmall,
        /// Nothing was given.
        AmountZero,
        /// The account has [`DRIVES_MAX`] drives.
        TooManyDrives,
        /// Another checkpoint came first: read the drive again.
        VersionStale,
        /// The vaults' receipts have ended: ask for new ones.
        ReceiptsExpired,
        /// A log never gets shorter.
        UnitsShrink,
        /// More units than the drive's capacity.
        CapacityExceeded,
        /// There must be one root, and one signature or none, for each slot.
        SlotCountWrong,
        /// The same length as before with another root.
        RootChanged,
        /// Fewer than three quarters of the slots' vaults have signed.
        TooFewSignatures,
        /// Not the vault's signature of a receipt for this slot, root and length, on this chain.
        SignatureInvalid,
        /// A signature for a slot that has no vault.
        SignatureUnexpected,
        /// Not more than was given up before, or more than the drive has.
        TrimInvalid,
        /// The drive has [`GRANTS_MAX`] grants.
        TooManyGrants,
        /// The account was granted nothing of this drive.
        GrantUnknown,
        /// A grant that ends before it begins.
        GrantExpired,
        /// The drive is this account's already.
        AlreadyOwner,
        /// The account has published no key.
        KeyUnknown,
        /// The vault's open challenge, if it has one, is another: ask for it, and answer that one.
        ChallengeUnknown,
        /// Not one proof for each target.
        ProofCountWrong,
        /// A proof is needed here.
        ProofMissing,
        /// The proof doesn't show what was asked for.
        ProofInvalid,
        /// The slot isn't this vault's.
        NotHolder,
        /// The vault has asked to be relieved of this slot already.
        AlreadyLeaving,
        /// The vault isn't the slot's successor, nor behind with it.
        NothingToRestore,
        /// The time to rebuild the slot is over.
        RestoreLate,
        /// Only the drive's owner and vaults of its group may do this.
        NotMember,
        /// No vault is liable for this slot now.
        SlotNotLiable,
        /// The slot has no such chunk, or it was given up.
        ChunkOutside,
        /// There is a dispute about this slot already.
        DisputeOpen,
        /// There is no dispute about this slot.
        DisputeUnknown,
        /// All blocks that were tried have their fill of such work: try again later.
        QueueFull,
        /// The vault has a challenge to answer first.
        ChallengeOpen,
        /// A miss of the vault is yet to be judged, at its next deadline.
        MissUnjudged,
        /// The vault's slots are being emptied.
        EvictionUnfinished,
        /// The drive's vaults are drawn in the next block: try again then.
        GroupForming,
        /// The drive has a version: its vaults can't be replaced by its owner any more.
        DriveCommitted,
        /// The owner has had as many silent vaults replaced as can be, three for each slot.
        RedrawsSpent,
        /// The slots of a drive coded 1/4 are copies of one another: their roots must be alike.
        RootsDiffer,
        /// The vault is liable for the slot: it can be left, and not be declined.
        SlotLiable,
        /// The vault has said so within this period already.
        AlreadyReported,
        /// The group said that the vault serves nobody: it can show that it is back when a quarter of a period is over.
        RestoreEarly,
        /// The group said so for the second time within eight periods: another vault is drawn for the slot.
        RestoreForfeited,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Ends dry drives, draws the groups of new ones, decides disputes, notes misses, draws challenges, empties slots and draws successors: of each
        /// a bounded number.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Self::do_block()
        }

        fn integrity_test() {
            let (period, deadline) = (T::PeriodBlocks::get(), T::DeadlineBlocks::get());
            assert!(deadline.saturating_add(2) <= period, "a challenge must end before the next turn");
            assert!((1..=PROOFS_MAX).contains(&T::Proofs::get()), "a challenge has 1 to 16 chunks");
            assert!(T::ReservePpm::get() < 1_000_000, "the reserve's part must leave something");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), frame_support::sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Makes a drive of `capacity_units` in each slot's log, whose vaults get at most `price` plancks for a GiB and
        /// period, and pays `escrow` in. The chain draws its vaults in the next block; if there aren't enough after all, the drive
        /// ends then, and all that was paid comes back.
        ///
        /// # Errors
        /// `CapacityInvalid`, `PriceTooHigh`, `EscrowTooSmall`, `TooManyDrives`; `NotEnoughVaults` of `pallet-vaults`; too
        /// little to pay or to hold.
        #[pallet::call_index(0)]
        // The draw is done in the next block, and paid for here.
        #[pallet::weight(<T as Config>::WeightInfo::create_drive(coding.slots().into())
            .saturating_add(<T as Config>::WeightInfo::draw_group(coding.slots().into())))]
        pub fn create_drive(
            origin: OriginFor<T>,
            coding: Coding,
            capacity_units: u64,
            price: Balance,
            escrow: Balance,
            visibility: Visibility,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_create_drive(who, coding, capacity_units, price, escrow, visibility)
        }

        /// Pays into a drive's escrow. Anyone may.
        ///
        /// # Errors
        /// `DriveUnknown`, `AmountZero`; too little to pay.
        #[pallet::call_index(1)]
        #[pallet::weight(<T as Config>::WeightInfo::top_up())]
        pub fn top_up(origin: OriginFor<T>, drive: DriveId, amount: Balance) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_top_up(who, drive, amount)
        }

        /// Changes how many units each slot's log may have.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotOwner`, `CapacityInvalid`, `EscrowTooSmall`; `NoRoom` of `pallet-vaults`.
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::resize(SLOTS_MAX))]
        pub fn resize(origin: OriginFor<T>, drive: DriveId, capacity_units: u64) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let slots = Self::do_resize(who, drive, capacity_units)?;
            Ok(Some(<T as Config>::WeightInfo::resize(slots)).into())
        }

        /// Commits a version: logs of `units` units with these roots, signed for by their vaults until `until_block`, and `head`.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotWriter`, `VersionStale`, `GroupForming`, `ReceiptsExpired`, `UnitsShrink`, `CapacityExceeded`,
        /// `SlotCountWrong`, `RootsDiffer`, `RootChanged`, `SignatureInvalid`, `SignatureUnexpected`, `TooFewSignatures`, `EscrowTooSmall`.
        #[pallet::call_index(3)]
        #[pallet::weight(<T as Config>::WeightInfo::checkpoint(signatures.len() as u32))]
        #[allow(clippy::too_many_arguments)]
        pub fn checkpoint(
            origin: OriginFor<T>,
            drive: DriveId,
            expected_version: u64,
            units: u64,
            until_block: u32,
            roots: Roots,
            signatures: Signatures,
            head: Head,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_checkpoint(who, drive, expected_version, units, until_block, roots, signatures, head)
        }

        /// Gives up the first `trimmed_units` of each log: nobody is paid for them, and nobody has to keep them.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotWriter`, `VersionStale`, `TrimInvalid`.
        #[pallet::call_index(4)]
        #[pallet::weight(<T as Config>::WeightInfo::trim(SLOTS_MAX))]
        pub fn trim(
            origin: OriginFor<T>,
            drive: DriveId,
            expected_version: u64,
            trimmed_units: u64,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let slots = Self::do_trim(who, drive, expected_version, trimmed_units)?;
            Ok(Some(<T as Config>::WeightInfo::trim(slots)).into())
        }

        /// Publishes a drive's key, or stops that for what is written under another.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotOwner`.
        #[pallet::call_index(5)]
        #[pallet::weight(<T as Config>::WeightInfo::set_visibility())]
        pub fn set_visibility(origin: OriginFor<T>, drive: DriveId, visibility: Visibility) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_set_visibility(who, drive, visibility)
        }

        /// Grants an account a role and the drive's key, sealed to it; in place of what it was granted before.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotOwner`, `GrantExpired`, `TooManyGrants`; too little to hold.
        #[pallet::call_index(6)]
        #[pallet::weight(<T as Config>::WeightInfo::grant())]
        pub fn grant(
            origin: OriginFor<T>,
            drive: DriveId,
            account: T::AccountId,
            role: Role,
            until_block: Option<u32>,
            sealed: SealedKey,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_grant(who, drive, account, role, until_block, sealed)
        }

        /// Ends a grant, and raises the number of the drive's key: what is written from now on is to be under another. Who
        /// was granted something may give it back, which leaves the key as it is.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotOwner`, `GrantUnknown`.
        #[pallet::call_index(7)]
        #[pallet::weight(<T as Config>::WeightInfo::revoke())]
        pub fn revoke(origin: OriginFor<T>, drive: DriveId, account: T::AccountId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_revoke(who, drive, account)
        }

        /// Gives grants the drive's newest key.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotOwner`, `GrantUnknown`.
        #[pallet::call_index(8)]
        #[pallet::weight(<T as Config>::WeightInfo::rekey(sealed.len() as u32))]
        pub fn rekey(
            origin: OriginFor<T>,
            drive: DriveId,
            sealed: BoundedVec<(T::AccountId, SealedKey), ConstU32<GRANTS_MAX>>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_rekey(who, drive, sealed)
        }

        /// Makes another account the drive's owner, with its escrow and its deposits, and turns the drive's key: what is written
        /// from now on is not for the former owner. A grant of the new owner stays, and is how it is given the key of what is
        /// there; so do all others.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotOwner`, `AlreadyOwner`, `TooManyDrives`; an account that can't hold the deposit.
        #[pallet::call_index(9)]
        #[pallet::weight(<T as Config>::WeightInfo::transfer_drive())]
        pub fn transfer_drive(origin: OriginFor<T>, drive: DriveId, to: T::AccountId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_transfer_drive(who, drive, to)
        }

        /// Ends a drive. What is left of its escrow, and its deposits, go to its owner.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotOwner`.
        #[pallet::call_index(10)]
        #[pallet::weight(<T as Config>::WeightInfo::end_drive(SLOTS_MAX, GRANTS_MAX))]
        pub fn close(origin: OriginFor<T>, drive: DriveId) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let (slots, grants) = Self::do_close(who, drive)?;
            Ok(Some(<T as Config>::WeightInfo::end_drive(slots, grants)).into())
        }

        /// Publishes the X25519 key that others seal drives' keys with for the caller.
        ///
        /// # Errors
        /// Too little to hold.
        #[pallet::call_index(11)]
        #[pallet::weight(<T as Config>::WeightInfo::publish_key())]
        pub fn publish_key(origin: OriginFor<T>, key: [u8; 32]) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_publish_key(who, key)
        }

        /// Takes the published key back, and its deposit.
        ///
        /// # Errors
        /// `KeyUnknown`.
        #[pallet::call_index(12)]
        #[pallet::weight(<T as Config>::WeightInfo::withdraw_key())]
        pub fn withdraw_key(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_withdraw_key(who)
        }

        /// Answers the caller's open challenge, named by its [`id`](cairn_primitives::storage::challenge_id): one proof for
        /// each target, in order. Free of charge if all are right. A wrong one costs its slot and the bond for it, and the
        /// pay for this turn.
        ///
        /// # Errors
        /// `ChallengeUnknown`, `ProofCountWrong`: nothing is lost by these, but time.
        #[pallet::call_index(13)]
        #[pallet::weight(<T as Config>::WeightInfo::prove(proofs.len() as u32))]
        pub fn prove(
            origin: OriginFor<T>,
            challenge: [u8; 32],
            proofs: BoundedVec<ChunkProof, ConstU32<PROOFS_MAX>>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let all_right = Self::do_prove(who, challenge, proofs)?;
            Ok(if all_right { Pays::No } else { Pays::Yes }.into())
        }

        /// Takes over a slot as its successor, or shows that the caller has caught up with it, by the chunk that
        /// [`restore_chunk`](cairn_primitives::storage::restore_chunk) says. Free of charge if right.
        ///
        /// # Errors
        /// `DriveUnknown`, `SlotUnknown`, `NothingToRestore`, `RestoreLate`, `RestoreEarly`, `RestoreForfeited`, `ProofMissing`,
        /// `ProofInvalid`, `EscrowTooSmall`.
        #[pallet::call_index(14)]
        #[pallet::weight(<T as Config>::WeightInfo::restore())]
        pub fn restore(
            origin: OriginFor<T>,
            drive: DriveId,
            slot: u8,
            proof: Option<Box<ChunkProof>>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_restore(who, SlotAt { drive, slot }, proof.map(|proof| *proof))?;
            Ok(Pays::No.into())
        }

        /// Asks for successors. The caller stays liable for each slot until one has taken over. What it is asked to show of
        /// them it shows first.
        ///
        /// # Errors
        /// `SlotUnknown`, `NotHolder`, `AlreadyLeaving`, `ChallengeOpen`, `DisputeOpen`.
        #[pallet::call_index(15)]
        #[pallet::weight(<T as Config>::WeightInfo::leave_slots(slots.len() as u32))]
        pub fn leave_slots(origin: OriginFor<T>, slots: BoundedVec<SlotAt, ConstU32<LEAVES_MAX>>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_leave_slots(who, slots)
        }

        /// Claims that a chunk of a slot can't be read from its vault. If the vault shows it, the deposit comes back, and nobody
        /// is better or worse off; the fee pays for the answer, too.
        ///
        /// # Errors
        /// `DriveUnknown`, `SlotUnknown`, `NotMember`, `SlotNotLiable`, `DisputeOpen`, `ChunkOutside`, `QueueFull`; too
        /// little to hold.
        #[pallet::call_index(16)]
        #[pallet::weight(<T as Config>::WeightInfo::dispute().saturating_add(<T as Config>::WeightInfo::answer_dispute()))]
        pub fn dispute(origin: OriginFor<T>, drive: DriveId, slot: u8, chunk: u64) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_dispute(who, SlotAt { drive, slot }, chunk)
        }

        /// Shows what is said to be unreadable. Free of charge if right.
        ///
        /// # Errors
        /// `SlotUnknown`, `DisputeUnknown`, `NotHolder`, `ProofInvalid`.
        #[pallet::call_index(17)]
        #[pallet::weight(<T as Config>::WeightInfo::answer_dispute())]
        pub fn answer_dispute(
            origin: OriginFor<T>,
            drive: DriveId,
            slot: u8,
            proof: Box<ChunkProof>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            Self::do_answer_dispute(who, SlotAt { drive, slot }, *proof)?;
            Ok(Pays::No.into())
        }

        /// Gives up slots that the caller was drawn to rebuild, or that it has and isn't liable for: it can't rebuild them, or
        /// doesn't want to. That is no fault. Free of charge.
        ///
        /// # Errors
        /// `SlotUnknown`, `DriveUnknown`, `NotHolder`, `SlotLiable`, `ChallengeOpen`, `DisputeOpen`.
        #[pallet::call_index(18)]
        #[pallet::weight(<T as Config>::WeightInfo::decline_slots(slots.len() as u32))]
        pub fn decline_slots(
            origin: OriginFor<T>,
            slots: BoundedVec<SlotAt, ConstU32<LEAVES_MAX>>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            ensure!(!slots.is_empty(), Error::<T>::SlotUnknown);
            Self::do_decline_slots(who, slots)?;
            Ok(Pays::No.into())
        }

        /// Says that vaults of the caller's groups serve nobody. Where `3k` of the others say so of a slot within a period it is
        /// behind: not paid for a quarter of a period at least, and then another vault is drawn. Free of charge.
        ///
        /// # Errors
        /// `DriveUnknown`, `SlotUnknown`, `NotMember`, `SlotNotLiable`, `AlreadyReported`.
        #[pallet::call_index(19)]
        #[pallet::weight(<T as Config>::WeightInfo::report_unserved(reports.len() as u32))]
        pub fn report_unserved(
            origin: OriginFor<T>,
            reports: BoundedVec<Report, ConstU32<LEAVES_MAX>>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            ensure!(!reports.is_empty(), Error::<T>::SlotUnknown);
            Self::do_report_unserved(who, reports)?;
            Ok(Pays::No.into())
        }

        /// Has vaults that signed nothing replaced, before the drive's first checkpoint: the next block draws others. Free of
        /// charge, three times for each slot.
        ///
        /// # Errors
        /// `DriveUnknown`, `NotOwner`, `DriveCommitted`, `GroupForming`, `SlotUnknown`, `SlotNotLiable`, `RedrawsSpent`.
        #[pallet::call_index(20)]
        #[pallet::weight(<T as Config>::WeightInfo::redraw(SLOTS_MAX))]
        pub fn redraw(
            origin: OriginFor<T>,
            drive: DriveId,
            slots: BoundedVec<u8, ConstU32<SLOTS_MAX>>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let slots = Self::do_redraw(who, drive, slots)?;
            Ok((Some(<T as Config>::WeightInfo::redraw(slots)), Pays::No).into())
        }
    }
}
