// SPDX-License-Identifier: Apache-2.0

//! Logs of shards on a disk, and their index.
