// SPDX-License-Identifier: Apache-2.0

//! Every pallet's settings, one file per concern.

mod accounts;
mod assets;
pub mod consensus;
mod contracts;
pub mod governance;
pub mod money;
mod names;
mod staking;
mod storage;
mod system;

pub use accounts::ProxyType;
pub use contracts::ContractCalls;
pub use staking::{BagThresholds, Inflation, MAX_ELECTION_TARGETS};
pub use system::{BlockLength, BlockWeights, RuntimeParameters};
