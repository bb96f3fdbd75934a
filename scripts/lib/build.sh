# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced after env.sh: binaries as this checkout has them.

# ensure_built BINARY...: runs scripts/setup (a second, when nothing is to do), then cargo, which finds out what has
# changed. CAIRN_BUILD=never takes the binaries that are there.
ensure_built() {
  local name
  "$ROOT/scripts/setup"
  # Setup may have made what env.sh looks for.
  # shellcheck source-path=SCRIPTDIR source=../env.sh
  . "$ROOT/scripts/env.sh"
  if [ "${CAIRN_BUILD:-}" != never ]; then
    [ -x "$BIN/$1" ] || say "building (the first time takes about half an hour on two cores)"
    (cd "$ROOT" && cargo build --release --workspace --locked)
  fi
  for name in "$@"; do
    [ -x "$BIN/$name" ] || die "the build made no $BIN/$name"
  done
}
