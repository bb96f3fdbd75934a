// SPDX-License-Identifier: Apache-2.0
// Files of a test's own.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** SHA-256 of a file. */
export async function hashOf(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** A file of random bytes, written in parts. */
export function randomFile(path, bytes) {
  const fd = openSync(path, 'w');
  for (let left = bytes; left > 0;) {
    const part = Math.min(left, 8 * MIB);
    writeSync(fd, randomBytes(part));
    left -= part;
  }
  closeSync(fd);
  return path;
}
