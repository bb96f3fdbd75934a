// SPDX-License-Identifier: Apache-2.0

//! A vault: keeps shards, proves them, watches its groups, repairs.
