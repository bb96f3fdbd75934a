// SPDX-License-Identifier: Apache-2.0
// A small disk that a test can fill.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const mounted = new Set();
process.on('exit', () => {
  for (const disk of mounted) disk.unmount();
});

export const MIB = 1024 * 1024;

/** A tmpfs of a given size. Needs the right to mount. */
export class SmallDisk {
  /** Null, and why, where mounting is not allowed. */
  static tryMount(path, mebibytes) {
    mkdirSync(path, { recursive: true });
    const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path]);
    if (status !== 0) return { disk: null, reason: String(error ?? stderr).trim() };
    return { disk: new SmallDisk(path) };
  }

  constructor(path) {
    this.path = path;
    this.filler = join(path, 'filler');
    mounted.add(this);
  }

  /** What is free, in MiB. */
  get free() {
    const { bavail, bsize } = statfsSync(this.path);
    return (bavail * bsize) / MIB;
  }

  /** Writes until only `mebibytes` are free. */
  fillTo(mebibytes) {
    const fd = openSync(this.filler, 'a');
    const page = Buffer.alloc(64 * 1024, 1);
    try {
      while (this.free > mebibytes) writeSync(fd, page);
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Removes what `fillTo` wrote. */
  clear() {
    truncateSync(this.filler);
    rmSync(this.filler);
  }

  unmount() {
    if (!mounted.delete(this)) return;
    spawnSync('umount', ['-l', this.path]);
  }
}
