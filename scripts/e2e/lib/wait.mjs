// SPDX-License-Identifier: Apache-2.0
// Waiting on conditions: the only way in which tests let time pass.
import { setTimeout as sleep } from 'node:timers/promises';
import { tailsOfRunning } from './processes.mjs';

export { sleep };

/** Every time limit is multiplied by this. For machines much slower than two cores. */
const PATIENCE = Number(process.env.CAIRN_E2E_PATIENCE ?? 1);

/** A time limit in milliseconds, scaled by CAIRN_E2E_PATIENCE. */
export const seconds = (n) => n * 1000 * PATIENCE;

/**
 * Calls `probe` until it returns something truthy, and returns that.
 * A probe that throws counts as "not yet": what it threw last is part of the error.
 */
export async function until(what, probe, { timeoutMs = seconds(120), everyMs = 250 } = {}) {
  const started = Date.now();
  let last;
  for (;;) {
    try {
      const left = timeoutMs - (Date.now() - started);
      const value = await within(what, Promise.resolve(probe()), Math.max(1000, left));
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() - started > timeoutMs) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(
        `waited ${Math.round(timeoutMs / 1000)} s for: ${what}; last seen: ${seen}\n${tailsOfRunning()}`,
        { cause: last instanceof Error ? last : undefined },
      );
    }
    await sleep(everyMs);
  }
}

/** Rejects when `promise` takes longer than `timeoutMs`. */
export async function within(what, promise, timeoutMs = seconds(60)) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} took more than ${Math.round(timeoutMs / 1000)} s\n${tailsOfRunning()}`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
