// SPDX-License-Identifier: Apache-2.0
// Child processes that never outlive the test that started them.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';

/** Started and not yet ended. */
const running = new Set();

/** Kills everything that this process has started. */
export function killAll() {
  for (const child of running) child.killNow();
}

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit(1));
}

// The kernel kills the child when this process dies without running its exit handlers (kill -9 on the test).
const guard = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0
  ? ['setpriv', '--pdeathsig', 'KILL', '--']
  : [];

/** A process that writes its output to a log file. */
export class Background {
  /** `prefix` is a command that execs the rest, such as `unshare`. */
  constructor({ name, command, args, log, env = {}, prefix = [] }) {
    this.name = name;
    this.log = log;
    this.exit = null;
    // What an earlier start wrote stays in the log, and is not this process's output.
    this.from = existsSync(log) ? statSync(log).size : 0;
    const fd = openSync(log, 'a');
    const [program, ...rest] = [...prefix, ...guard, command, ...args];
    this.child = spawn(program, rest, {
      stdio: ['ignore', fd, fd],
      env: { ...process.env, ...env },
    });
    closeSync(fd);
    running.add(this);
    this.ended = new Promise((resolve) => {
      const done = (code, signal) => {
        running.delete(this);
        this.exit ??= { code, signal };
        resolve(this.exit);
      };
      this.child.once('exit', done);
      this.child.once('error', (error) => done(`could not start ${program}: ${error.message}`, null));
    });
  }

  get pid() {
    return this.child.pid;
  }

  get alive() {
    return this.exit === null;
  }

  /** Sends a signal and waits for the end. */
  async kill(signal = 'SIGKILL') {
    if (this.alive) this.child.kill(signal);
    return this.ended;
  }

  /** SIGTERM, and SIGKILL to what has not ended after `graceMs`. */
  async stop(graceMs = 20_000) {
    if (!this.alive) return this.exit;
    const timer = setTimeout(() => this.killNow(), graceMs);
    const exit = await this.kill('SIGTERM');
    clearTimeout(timer);
    return exit;
  }

  killNow() {
    try {
      this.child.kill('SIGKILL');
    } catch {
      // It ended by itself in between.
    }
  }

  /** Everything written so far. */
  output() {
    return readFileSync(this.log).subarray(this.from).toString();
  }

  /** The last lines of the log, for error messages. */
  tail(lines = 25) {
    const text = this.output().trimEnd().split('\n').slice(-lines).join('\n');
    return `--- last lines of ${this.name}${this.exit ? ` (ended: ${JSON.stringify(this.exit)})` : ''}\n${text}`;
  }
}

/** The log tails of everything that runs, for error messages. */
export function tailsOfRunning() {
  return [...running].map((child) => child.tail()).join('\n');
}
