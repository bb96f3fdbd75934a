# Sourced by every script: where builds and downloads live, and the one set of build settings.
# Two clones on one machine share what is kept here, so that the second build is quick.
# Override any of these from outside; CONTRIBUTING.md says what each is for.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CAIRN_CACHE=${CAIRN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cairn}
export ROOT CAIRN_CACHE
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CAIRN_CACHE/target}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
[ -d "$HOME/.cargo/bin" ] && case ":$PATH:" in *":$HOME/.cargo/bin:"*) ;; *) PATH="$HOME/.cargo/bin:$PATH" ;; esac

# C and C++ in dependencies compile about 30% faster with clang than with g++.
if command -v clang >/dev/null; then
  export CC=${CC:-clang} CXX=${CXX:-clang++}
fi

# Lints run inside the build (`cargo clippy` would compile every dependency a second time); scripts/test fails on what
# they report. CAIRN_LINT=off leaves them out; switching recompiles the workspace's own crates.
if [ "${CAIRN_LINT:-on}" = on ] && clippy-driver --version >/dev/null 2>&1; then
  export RUSTC_WORKSPACE_WRAPPER=clippy-driver
fi

# RocksDB as scripts/rocksdb built it; without it cargo builds the crate's own copy (slower, same result).
ROCKSDB_BUILT=$CAIRN_CACHE/rocksdb-0.17.3+10.4.2
if [ -f "$ROCKSDB_BUILT/librocksdb.a" ]; then
  export ROCKSDB_LIB_DIR=$ROCKSDB_BUILT ROCKSDB_STATIC=1 CXXSTDLIB=stdc++
fi

# The runtime's toolchain, where setup had to make one (see scripts/setup).
if [ -f "$CAIRN_CACHE/wasm-toolchain" ]; then
  WASM_BUILD_TOOLCHAIN=${WASM_BUILD_TOOLCHAIN:-$(cat "$CAIRN_CACHE/wasm-toolchain")}
  export WASM_BUILD_TOOLCHAIN
fi

# The contracts' toolchain, where the usual one lacks the source of its library (see scripts/setup).
if [ -f "$CAIRN_CACHE/contract-toolchain" ]; then
  CONTRACT_BUILD_TOOLCHAIN=${CONTRACT_BUILD_TOOLCHAIN:-$(cat "$CAIRN_CACHE/contract-toolchain")}
  export CONTRACT_BUILD_TOOLCHAIN
fi

# Node.js, where setup had to fetch it.
NODE_VERSION=20.19.5
NODE_FETCHED=$CAIRN_CACHE/node-$NODE_VERSION
[ -x "$NODE_FETCHED/bin/npm" ] && case ":$PATH:" in *":$NODE_FETCHED/bin:"*) ;; *) PATH="$NODE_FETCHED/bin:$PATH" ;; esac

BIN=$CARGO_TARGET_DIR/release
export BIN

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
