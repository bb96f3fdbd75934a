// SPDX-License-Identifier: Apache-2.0

//! A year of storage's life: thousands of vaults and a million drives that come and go, against the real pallets.
//!
//! **What is real**: `pallet-storage` and `pallet-vaults`, whole and unchanged, with their hooks in every block; balances.
//! Challenges, groups and successors are drawn, misses judged, outages forgiven, scores moved, vaults ejected and drives
//! ended by the chain's own code. **What is modelled**: machines that are up or down, disks, the time that reading takes,
//! operators and owners ([`params`] has every number). **What is left out at full size**: the check of signatures in checkpoints and
//! of proofs in answers to challenges, since all are right; a small world is lived through with and without these, in the
//! SDK's externalities and in ours, and every key of the state must come out the same ([`check`]).

pub mod attacks;
pub mod check;
pub mod figures;
pub mod logs;
pub mod outages;
pub mod params;
pub mod plot;
pub mod random;
pub mod report;
pub mod runtime;
pub mod schedule;
pub mod state;
pub mod world;
