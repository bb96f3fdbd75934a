// SPDX-License-Identifier: Apache-2.0
// Names that one validator registers a second, what each call weighs, and how soon the gateway shows a finalized block.
// See scripts/bench.
import { createSocket } from 'node:dgram';
import { performance } from 'node:perf_hooks';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { blake2AsU8a } from '@polkadot/util-crypto';
import { sr25519Sign } from '@polkadot/wasm-crypto';
import { CRN, connect } from '../lib/chain.mjs';
import { Cli } from '../lib/cli.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { Network } from '../lib/network.mjs';
import { Rpc } from '../lib/rpc.mjs';
import { endow, exportSpec, formatSpec } from '../lib/spec.mjs';
import { seconds, until } from '../lib/wait.mjs';
import { percentile } from './blocks.mjs';
import { Load } from './load.mjs';
import { encodeSigned, frame, hex, senders } from './transfers.mjs';

const { values: options } = parseArgs({
  options: {
    names: { type: 'string', default: '6000' },
    blocks: { type: 'string', default: '100' },
    burst: { type: 'string', default: '500' },
    json: { type: 'string' },
  },
});
const count = Number(options.names);
const quietBlocks = Number(options.blocks);
const burst = Math.min(Number(options.burst), count);
const CONNECTIONS = 4;
const BATCH = 100;
const POOL = ['--pool-limit', '65536', '--pool-kbytes', '131072'];

const say = (text) => console.log(text);
const round = (x, digits = 0) => Number(x.toFixed(digits));
const u8aConcat = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const label = (i) => `bench-name-${i}`;
const salt = (i) => blake2AsU8a(`salt ${i}`);

/** The hash that hides a registration: see pallets/names/DESIGN.md. */
function commitment(api, account, i, records) {
  const purpose = api.createType('Text', 'names/commit/v1').toU8a();
  const name = api.createType('Bytes', label(i)).toU8a();
  return blake2AsU8a(u8aConcat(purpose, api.genesisHash.toU8a(), name, account.publicKey, [1], salt(i), blake2AsU8a(records)));
}

/** Requests in batches for some connections; the transactions of an account stay in order. */
function batches(transactions) {
  const byConnection = Array.from({ length: CONNECTIONS }, () => []);
  for (let connection = 0; connection < CONNECTIONS; connection++) {
    const own = transactions.map((bytes, number) => ({ bytes, number })).filter(({ number }) => number % CONNECTIONS === connection);
    for (let at = 0; at < own.length; at += BATCH) {
      const part = own.slice(at, at + BATCH);
      const body = part.map(({ bytes, number }) => `{"jsonrpc":"2.0","id":${number},"method":"author_submitExtrinsic","params":["${hex(bytes)}"]}`);
      byConnection[connection].push({ numbers: Uint32Array.from(part, ({ number }) => number), body: `[${body.join(',')}]` });
    }
  }
  return byConnection;
}

/** Sends all; returns the blocks that held them, with their time and the weight of one of them. */
async function put(api, node, what, event, transactions) {
  const load = new Load({ url: node.url, byConnection: batches(transactions), total: transactions.length });
  await load.start();
  await until(`${what} are in blocks`, () => load.included >= transactions.length, { timeoutMs: seconds(180), everyMs: 100 });
  load.stop();
  await load.finalizedUpTo(load.blocks.at(-1).number);
  load.close();
  if (load.refused.size > 0) throw new Error(`refused: ${JSON.stringify(Object.fromEntries(load.refused))}`);
  const blocks = [];
  let weight;
  for (const { number, hash } of load.blocks) {
    const at = await api.at(hash);
    const events = await at.query.system.events();
    const done = events.filter(({ event: { section, method } }) => section === 'names' && method === event).length;
    const success = events.find((record, i) => record.phase.isApplyExtrinsic && record.event.method === 'ExtrinsicSuccess'
      && events.slice(Math.max(0, i - 12), i).some(({ event: { section, method } }) => section === 'names' && method === event));
    weight ??= success?.event.data.dispatchInfo.weight;
    blocks.push({ number, done, timeMs: (await at.query.timestamp.now()).toNumber() });
  }
  const total = blocks.reduce((sum, { done }) => sum + done, 0);
  if (total !== transactions.length) throw new Error(`${total} of ${transactions.length} ${what} have the event ${event}`);
  return { blocks, weight };
}

/** Names a second of the full blocks: from the one before the first full one to the last full one. */
function rate({ blocks }) {
  const largest = Math.max(...blocks.map(({ done }) => done));
  const full = blocks.filter(({ done }) => done > largest / 2);
  const before = blocks[blocks.indexOf(full[0]) - 1] ?? { timeMs: full[0].timeMs - 3000 };
  const sum = full.reduce((all, { done }) => all + done, 0);
  return { perSecond: sum / ((full.at(-1).timeMs - before.timeMs) / 1000), perBlock: full.map(({ done }) => done) };
}

/** Asks a server for the zone's serial, which is the number of the block that it shows, over and over. */
class Serial {
  constructor(port) {
    this.socket = createSocket('udp4');
    this.seenAt = new Map();
    // The query: one question, cairn. SOA IN.
    const query = Buffer.from('00010000000100000000000005636169726e0000060001', 'hex');
    this.ask = () => this.socket.send(query, port, '127.0.0.1');
    this.socket.on('message', (answer) => {
      // SOA data ends with five numbers, the serial first; no EDNS was asked for, so that it ends the answer.
      const serial = answer.length > 60 ? answer.readUInt32BE(answer.length - 20) : 0;
      if (!this.seenAt.has(serial)) this.seenAt.set(serial, performance.now());
    });
    this.timer = setInterval(this.ask, 1);
  }

  close() {
    clearInterval(this.timer);
    this.socket.close();
  }
}

async function main() {
  const accounts = await senders(count);
  const network = new Network();
  let api;
  let gateway;
  try {
    const spec = endow(exportSpec('dev'), accounts.map(({ address }) => address), 1_000n * CRN);
    const file = network.file('bench.json', formatSpec(spec));
    const node = await network.add({
      name: 'bench', args: ['--chain', file, '--alice', '--force-authoring', '--unsafe-force-node-key-generation', ...POOL],
    });
    api = await connect(node.url);
    const shared = frame(api);
    const records = [{ name: '0x', rtype: 1, ttlSeconds: 300, rdata: ['0xc0000201'] }];
    const register = (i) => api.tx.names.register(label(i), 1, salt(i), records, 100n * CRN).method;
    const encoded = register(0).args[3].toU8a();
    const sign = (calls, nonce) => calls.map((call, i) => Buffer.from(encodeSigned(shared, sr25519Sign, accounts[i], call.toU8a(), nonce)));
    const commits = sign(accounts.map((account, i) => api.tx.names.commit(commitment(api, account, i, encoded)).method), 0);
    const registers = sign(accounts.map((_, i) => register(i)), 1);
    const changed = { ...records[0], rdata: ['0xc0000202'] };
    const changes = sign(accounts.slice(0, burst).map((_, i) => api.tx.names.setRrset(label(i), null, changed).method), 2);
    await node.waitFinalized(2);

    const committed = await put(api, node, 'commitments', 'Committed', commits);
    // Periods of names are shorter on the development chain: what the chain says is what counts.
    await node.waitFinalized(committed.blocks.at(-1).number + api.consts.names.commitmentAgeMinBlocks.toNumber() + 1);
    const registered = await put(api, node, 'registrations', 'Registered', registers);

    const results = { names: count, commit: rate(committed), register: rate(registered) };
    const both = 1 / (1 / results.commit.perSecond + 1 / results.register.perSecond);
    results.namesPerSecond = both;
    say(`one validator, ${count} names with an A record, each committed and registered by an account of its own`);
    for (const what of ['commit', 'register']) {
      say(`  ${what.padEnd(10)} ${round(results[what].perSecond)} a second in full blocks: ${results[what].perBlock.join(' ')}`);
    }
    say(`  names      ${round(both)} a second, with both transactions`);
    for (const [what, { weight }] of Object.entries({ commit: committed, register: registered })) {
      results[what].weight = { refTimeMicros: weight.refTime.toNumber() / 1e6, proofBytes: weight.proofSize.toNumber() };
      say(`  weight     ${what}: ${round(results[what].weight.refTimeMicros)} us, ${results[what].weight.proofBytes} bytes of proof`);
    }

    const cli = new Cli({ dir: network.dir, url: node.url });
    gateway = await Gateway.start(network, cli);
    const watcher = await Rpc.connect(node.url);
    const finalizedAt = new Map();
    await watcher.subscribe('chain_subscribeFinalizedHeads', [], (header) => finalizedAt.set(Number(header.number), performance.now()));
    const serial = new Serial(gateway.dns);
    const from = (await node.finalizedNumber()) + 2;
    // One name changes in each block.
    let next = 0;
    const quiet = accounts.slice(burst, burst + quietBlocks).map((account, i) =>
      Buffer.from(encodeSigned(shared, sr25519Sign, account, api.tx.names.setRrset(label(burst + i), null, changed).method.toU8a(), 2)));
    await watcher.subscribe('chain_subscribeNewHeads', [], () => {
      if (next < quiet.length) watcher.call('author_submitExtrinsic', hex(quiet[next++])).catch(() => {});
    });
    await until('the quiet blocks', () => serial.seenAt.has(from + quietBlocks - 1), { timeoutMs: seconds(10 * quietBlocks), everyMs: 500 });
    const delays = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i)
      .filter((number) => finalizedAt.has(number) && serial.seenAt.has(number))
      .map((number) => Math.max(0, serial.seenAt.get(number) - finalizedAt.get(number)));
    const calm = delays(from, from + quietBlocks - 1);
    results.visible = { blocks: calm.length, p50: percentile(calm, 50), p99: percentile(calm, 99), max: Math.max(...calm) };
    say(`from a finalized block to its answer, ${calm.length} blocks with one change each among ${count} names:`
      + ` p50 ${round(results.visible.p50, 1)} ms, p99 ${round(results.visible.p99, 1)} ms, max ${round(results.visible.max, 1)} ms`);

    const before = Math.max(...serial.seenAt.keys());
    const crowd = await put(api, node, 'changes', 'ZoneChanged', changes);
    const crowded = crowd.blocks.filter(({ done }) => done > 0);
    await until('the burst is shown', () => serial.seenAt.has(crowded.at(-1).number), { timeoutMs: seconds(60) });
    results.burst = crowded.filter(({ number }) => number > before).map(({ number, done }) => ({ changes: done, ms: delays(number, number)[0] }));
    for (const { changes: done, ms } of results.burst) say(`  a block with ${done} changed names: ${ms === undefined ? 'finalized with a later one' : `${round(ms, 1)} ms`}`);
    serial.close();
    watcher.close?.();
    if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
  } finally {
    await gateway?.process.kill();
    await api?.disconnect();
    await network.close();
  }
}

await main();
process.exit(0);
