// SPDX-License-Identifier: Apache-2.0
// Keeps a node's pool filled over RPC, and notes when everything happened. It parses as little as it can while the clock
// runs: on two cores it must not take the time that the node needs.
import { performance } from 'node:perf_hooks';
import { Rpc } from '../lib/rpc.mjs';
import { until } from '../lib/wait.mjs';
import WebSocket from 'ws';

/** Transfers in the pool that are aimed at, as a multiple of the largest block seen, and at least. */
const BACKLOG_BLOCKS = 2.5;
const BACKLOG_MIN = 6_000;

/** One connection that submits batches, one at a time. */
class Submitter {
  static async open(url, batches, load) {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Submitter(socket, batches, load);
  }

  constructor(socket, batches, load) {
    Object.assign(this, { socket, batches, load, next: 0, inFlight: null });
    socket.on('message', (data) => {
      const numbers = this.inFlight;
      this.inFlight = null;
      load.answered(numbers, data);
      load.fill();
    });
  }

  get idle() {
    return this.inFlight === null && this.next < this.batches.length;
  }

  get exhausted() {
    return this.next >= this.batches.length;
  }

  send() {
    const { numbers, body } = this.batches[this.next];
    this.batches[this.next++] = null; // its memory is not needed again
    this.inFlight = numbers;
    const now = performance.now();
    for (const number of numbers) this.load.sentAt[number] = now;
    this.load.submitted += numbers.length;
    this.socket.send(body);
  }
}

export class Load {
  /** `total` transfers exist in `byConnection`, numbered from 0. */
  constructor({ url, byConnection, total }) {
    Object.assign(this, { url, byConnection, total });
    this.sentAt = new Float64Array(total).fill(NaN);
    this.submitted = 0;
    this.refused = new Map();
    this.included = 0;
    this.largest = 0;
    /** Blocks as they were seen: number, hash, when it was best, when it was finalized, its JSON, transactions in it. */
    this.blocks = [];
    this.running = false;
  }

  async start() {
    this.submitters = await Promise.all(this.byConnection.map((batches) => Submitter.open(this.url, batches, this)));
    this.watcher = await Rpc.connect(this.url);
    let chain = Promise.resolve();
    await this.watcher.subscribe('chain_subscribeNewHeads', [], (header) => {
      const seen = performance.now();
      chain = chain.then(() => this.#newBlock(header, seen));
    });
    await this.watcher.subscribe('chain_subscribeFinalizedHeads', [], (header) => {
      const now = performance.now();
      const number = Number(header.number);
      for (let i = this.blocks.length - 1; i >= 0 && this.blocks[i].finalizedAt === undefined; i--) {
        if (this.blocks[i].number <= number) this.blocks[i].finalizedAt = now;
      }
      this.finalized = Math.max(this.finalized ?? 0, number);
    });
    this.running = true;
    this.fill();
  }

  /** Sends batches until the pool is as full as wanted. */
  fill() {
    if (!this.running) return;
    const target = Math.max(BACKLOG_MIN, this.largest * BACKLOG_BLOCKS);
    for (const submitter of this.submitters) {
      if (this.submitted - this.included >= target) return;
      if (submitter.idle) submitter.send();
    }
  }

  get exhausted() {
    return this.submitters.every((submitter) => submitter.exhausted);
  }

  /** Transfers that were submitted and are in no block yet. */
  get backlog() {
    return this.submitted - this.included;
  }

  answered(numbers, data) {
    if (!data.includes('"error"')) return;
    const answers = JSON.parse(data);
    for (const { error } of Array.isArray(answers) ? answers : [answers]) {
      if (!error) continue;
      const reason = `${error.code} ${error.message} ${error.data ?? ''}`.trim();
      this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
      this.included += 1; // never will be
    }
  }

  async #newBlock(header, seen) {
    const number = Number(header.number);
    if (this.blocks.some((block) => block.number === number)) return;
    const hash = await this.watcher.call('chain_getBlockHash', number);
    const { block } = await this.watcher.call('chain_getBlock', hash);
    // All but the inherents, of which there is one (the time).
    const count = block.extrinsics.length - 1;
    const missed = this.finalized >= number ? performance.now() : undefined;
    this.blocks.push({ number, hash, bestAt: seen, finalizedAt: missed, extrinsics: block.extrinsics, count, backlog: this.backlog });
    this.included += count;
    this.largest = Math.max(this.largest, count);
    this.fill();
  }

  /** Stops submitting. */
  stop() {
    this.running = false;
  }

  async finalizedUpTo(number) {
    await until(`block ${number} is finalized`, () => (this.finalized ?? 0) >= number);
  }

  close() {
    this.stop();
    for (const submitter of this.submitters ?? []) submitter.socket.terminate();
    this.watcher?.close();
  }
}
