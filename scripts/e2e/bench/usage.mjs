// SPDX-License-Identifier: Apache-2.0
// CPU time and memory of a process, from /proc.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // User and system time, counted from behind the name in brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function status(pid, key) {
  return Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

/** Measures a process from now until `end`. */
export class Usage {
  constructor(pid) {
    this.pid = pid;
    this.startedAt = Date.now();
    this.startedCpu = cpuSeconds(pid);
    this.rssBefore = status(pid, 'VmRSS');
  }

  end() {
    const wallSeconds = (Date.now() - this.startedAt) / 1000;
    return {
      cores: (cpuSeconds(this.pid) - this.startedCpu) / wallSeconds,
      rssMibBefore: this.rssBefore,
      rssMibAfter: status(this.pid, 'VmRSS'),
      rssMibPeak: status(this.pid, 'VmHWM'),
    };
  }
}
