// SPDX-License-Identifier: Apache-2.0
// The `cairn` command as a user runs it.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { binary } from './paths.mjs';
import { seconds } from './wait.mjs';

/** Exit codes that are promised. */
export const EXIT = { done: 0, failed: 1, usage: 2, refused: 3, unreachable: 4, partly: 5 };

/** A user with a home of their own: accounts and configuration are kept below `dir`. */
export class Cli {
  /** `more`: flags that every command has. */
  constructor({ dir, url, more = [], passphrase = 'a passphrase for tests' }) {
    this.url = url;
    this.more = more;
    this.env = {
      PATH: process.env.PATH,
      HOME: dir,
      XDG_CONFIG_HOME: join(dir, 'config'),
      XDG_DATA_HOME: join(dir, 'data'),
      CAIRN_PASSPHRASE: passphrase,
    };
  }

  /** Runs it with `--json`; returns exit code, parsed output and what was written to standard error. */
  run(...args) {
    return new Promise((resolve) => {
      execFile(binary('cairn'), ['--url', this.url, ...this.more, '--json', ...args], {
        env: this.env, timeout: seconds(150), maxBuffer: 64 * 1024 * 1024,
      }, (error, stdout, stderr) => {
        const code = error ? error.code : 0;
        let json = null;
        try {
          json = JSON.parse(stdout);
        } catch {
          // Not every failure has something to say on standard output.
        }
        resolve({ code, json, stdout, stderr });
      });
    });
  }

  /** Runs it and expects success; returns the parsed output. */
  async ok(...args) {
    const { code, json, stdout, stderr } = await this.run(...args);
    if (code !== EXIT.done) throw new Error(`cairn ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`);
    return json;
  }
}
