// SPDX-License-Identifier: Apache-2.0
// Where the binaries are. The same rules as scripts/env.sh, so that a test also runs without it.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache = process.env.CAIRN_CACHE
  ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cairn');

/** Cargo's target folder. */
export const TARGET = process.env.CARGO_TARGET_DIR ?? join(cache, 'target');

const bin = process.env.BIN ?? join(TARGET, 'release');

/** The path of one of our binaries; throws with the remedy when it was not built. */
export function binary(name) {
  const path = join(bin, name);
  if (!existsSync(path)) {
    throw new Error(`${path} is missing: build it with \`. scripts/env.sh && cargo build --release --workspace --locked\``);
  }
  return path;
}

/** A blob that `scripts/variant NAME` built, or the one that an environment variable names. Throws with the remedy. */
export function variant(name, variable) {
  const path = process.env[variable] ?? join(TARGET, 'variants', `${name}.wasm`);
  if (!existsSync(path)) throw new Error(`${path} is missing: make it with \`scripts/variant ${name}\` (${variable} names another file)`);
  return path;
}
