# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced: Garage, from crates.io, kept below $CAIRN_CACHE/peers.

PEERS=$CAIRN_CACHE/peers
export GARAGE=$PEERS/bin/garage
GARAGE_VERSION=2.5.0

# Compiles it, unless it is there.
build_garage() {
  [ -x "$GARAGE" ] && return
  say "compiling Garage (some 15 minutes, once)"
  # Its own settings: nothing of Cairn's build.
  (unset RUSTC_WORKSPACE_WRAPPER ROCKSDB_LIB_DIR ROCKSDB_STATIC CARGO_TARGET_DIR
    cargo install garage --version "$GARAGE_VERSION" --locked --quiet --root "$PEERS" --target-dir "$PEERS/target")
}
