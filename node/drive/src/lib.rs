// SPDX-License-Identifier: Apache-2.0

//! Files to stripes and back: encryption, coding, manifest, sharing.

pub mod erasure;
