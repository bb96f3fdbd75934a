# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced after env.sh: binaries, built only when they are missing.

# ensure_built BINARY...: runs scripts/setup (a second, when nothing is to do), then builds the workspace unless every
# binary named is there. CAIRN_BUILD=always builds anyway: cargo finds out what has changed.
ensure_built() {
  local name missing=()
  "$ROOT/scripts/setup"
  # Setup may have made what env.sh looks for.
  # shellcheck source-path=SCRIPTDIR source=../env.sh
  . "$ROOT/scripts/env.sh"
  for name in "$@"; do
    [ -x "$BIN/$name" ] || missing+=("$name")
  done
  if [ "${#missing[@]}" -eq 0 ] && [ "${CAIRN_BUILD:-}" != always ]; then
    return
  fi
  say "building (the first time takes the better part of an hour on two cores)"
  (cd "$ROOT" && cargo build --release --workspace --locked)
  for name in "$@"; do
    [ -x "$BIN/$name" ] || die "the build made no $BIN/$name"
  done
}
