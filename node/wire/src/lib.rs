// SPDX-License-Identifier: Apache-2.0

//! What drives and vaults say to each other: messages, frames, and who is at the other end.
