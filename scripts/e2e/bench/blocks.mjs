// SPDX-License-Identifier: Apache-2.0
// What is read from finalized blocks once the clock has stopped: Transfer events, weights, times.
import { getDynamicBuilder, getLookupFn } from '@polkadot-api/metadata-builders';
import { unifyMetadata, decAnyMetadata } from '@polkadot-api/substrate-bindings';
import { identify } from './transfers.mjs';

/** Reads System.Events of a block and other values that make up its record. */
export class BlockReader {
  static async create(api, node) {
    const opaque = (await api.call.metadata.metadataAtVersion(15)).unwrap();
    const metadata = unifyMetadata(decAnyMetadata(opaque.toU8a(true)));
    const builder = getDynamicBuilder(getLookupFn(metadata));
    return new BlockReader(api, node, builder.buildStorage('System', 'Events'));
  }

  constructor(api, node, events) {
    Object.assign(this, { api, node, events });
    this.key = events.keys.enc();
    const { maxBlock, perClass } = api.consts.system.blockWeights;
    this.maxRefTime = (perClass.normal.maxTotal.isSome ? perClass.normal.maxTotal.unwrap() : maxBlock).refTime.toNumber();
  }

  async read(hash) {
    const [raw, at] = await Promise.all([this.node.call('state_getStorage', this.key, hash), this.api.at(hash)]);
    const counts = { transfers: 0, failed: 0 };
    for (const { event } of this.events.value.dec(raw)) {
      if (event.type === 'Balances' && event.value.type === 'Transfer') counts.transfers += 1;
      if (event.type === 'System' && event.value.type === 'ExtrinsicFailed') counts.failed += 1;
    }
    const [time, weight] = await Promise.all([at.query.timestamp.now(), at.query.system.blockWeight()]);
    return { ...counts, timeMs: time.toNumber(), fullness: weight.normal.refTime.toNumber() / this.maxRefTime };
  }
}

export function percentile(values, p) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor((p / 100) * sorted.length))];
}

/** Milliseconds from submission to the block and to its finality, for every transfer in `blocks`. */
export function latencies(blocks, accounts, sentAt) {
  const senderOf = new Map(accounts.map(({ publicKey }, i) => [Buffer.from(publicKey).toString('hex'), i]));
  const inclusion = [];
  const finality = [];
  for (const { extrinsics, bestAt, finalizedAt } of blocks) {
    for (const extrinsic of extrinsics) {
      const found = identify(extrinsic);
      if (!found || !senderOf.has(found.key)) continue;
      const sent = sentAt[found.nonce * accounts.length + senderOf.get(found.key)];
      inclusion.push(bestAt - sent);
      finality.push(finalizedAt - sent);
    }
  }
  return { inclusion, finality };
}

/** How long the author took for the blocks with at least `extrinsics` transactions, and why it ended them, from its log. */
export function building(log, extrinsics = 100) {
  const times = [];
  const ends = {};
  for (const [, ms, end, count] of log.matchAll(/Prepared block for proposing at \d+ \((\d+) ms\).*?end: (\w+); extrinsics_count: (\d+)/g)) {
    if (Number(count) < extrinsics) continue;
    times.push(Number(ms));
    ends[end] = (ends[end] ?? 0) + 1;
  }
  return { times, ends };
}
