// SPDX-License-Identifier: Apache-2.0
// Transfers a second that one validator takes over RPC, executes and finalizes. See scripts/bench.
import { writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { CRN, connect } from '../lib/chain.mjs';
import { Network } from '../lib/network.mjs';
import { binary, variant } from '../lib/paths.mjs';
import { atProductionPace, endow, exportSpec, formatSpec, replaceCode } from '../lib/spec.mjs';
import { seconds, sleep, until } from '../lib/wait.mjs';
import { join } from 'node:path';
import { sr25519Sign } from '@polkadot/wasm-crypto';
import { BlockReader, building, latencies, percentile } from './blocks.mjs';
import { Load } from './load.mjs';
import { checkAgainst, encodeTransfer, frame, hex, presign, senders } from './transfers.mjs';
import { Usage } from './usage.mjs';

const WARM_UP_BLOCKS = 3;
const POOL = { '--pool-limit': 65_536, '--pool-kbytes': 131_072 };

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    senders: { type: 'string', default: '10000' },
    'max-tps': { type: 'string', default: '3500' },
    connections: { type: 'string', default: '8' },
    batch: { type: 'string', default: '100' },
    runtime: { type: 'string', default: 'both' },
    'pool-type': { type: 'string', default: 'fork-aware' },
    json: { type: 'string' },
  },
});
const windowSeconds = Number(options.seconds);

const RUNTIMES = {
  default: { title: 'the same runtime with the SDK\'s solochain defaults: weights, slots of 6 s, blocks of 2 s', code: () => variant('sdk-solochain-defaults', 'CAIRN_SDK_DEFAULTS_WASM'), maxTps: 1200 },
  ours: { title: 'Cairn\'s runtime', code: () => null, maxTps: Number(options['max-tps']) },
};

const say = (text) => console.log(text);
const round = (x, digits = 0) => Number(x.toFixed(digits));

async function run(accounts, { title, path: code, maxTps }) {
  say(`\n${title}`);
  const network = new Network();
  let api;
  let load;
  try {
    const spec = endow(exportSpec('dev'), accounts.map(({ address }) => address), 1_000n * CRN);
    if (code) replaceCode(spec, code);
    // Production's epochs: the block that ends one takes no transactions, and on the fast chain that is each tenth.
    atProductionPace(spec);
    const file = network.file('bench.json', formatSpec(spec));
    const node = await network.add({
      name: 'bench',
      args: ['--chain', file, '--alice', '--force-authoring', '--unsafe-force-node-key-generation',
        '--pool-type', options['pool-type'], ...Object.entries(POOL).flat().map(String)],
    });
    api = await connect(node.url);

    const shared = frame(api);
    const sample = encodeTransfer(shared, sr25519Sign, accounts[0], accounts[1].publicKey, 7);
    checkAgainst(api, sample, accounts[0], accounts[1].address, 7);
    // What the window, the warm-up and a full pool can take.
    const perSender = Math.ceil((maxTps * (windowSeconds + 30)) / accounts.length);
    const total = perSender * accounts.length;
    const signing = Date.now();
    const byConnection = await presign({
      frame: shared, accounts, perSender, connections: Number(options.connections), batch: Number(options.batch),
    });
    say(`  signed ${total} transfers in ${round((Date.now() - signing) / 1000, 1)} s`);
    await node.waitFinalized(2);

    load = new Load({ url: node.url, byConnection, total });
    await load.start();
    const sustained = await measure({ api, node, load, accounts, total });
    await node.kill();
    return { ...sustained, alone: buildingAlone(network, file, shared, accounts) };
  } catch (error) {
    if (load) error.message += `\nrefused: ${JSON.stringify(Object.fromEntries(load.refused))}`;
    throw error;
  } finally {
    load?.close();
    await api?.disconnect();
    await network.close();
  }
}

async function measure({ api, node, load, accounts, total }) {
  const carrying = () => load.blocks.filter(({ count }) => count > 0);
  await until('the load is in blocks', () => carrying().length > WARM_UP_BLOCKS, { timeoutMs: seconds(90), everyMs: 100 });
  const first = carrying()[WARM_UP_BLOCKS];
  const usage = new Usage(node.process.pid);
  const ourCpu = process.cpuUsage();
  const openedAt = Date.now();
  let last;
  while (!last) {
    await sleep(100);
    if (load.exhausted) throw new Error(`all ${total} signed transfers were sent before the window ended: raise --max-tps`);
    if (!node.alive) throw new Error(`the node ended\n${node.process.tail()}`);
    const newest = load.blocks.at(-1);
    if (newest.bestAt - first.bestAt >= windowSeconds * 1000) last = newest;
  }
  const nodeUsage = usage.end();
  const { user, system } = process.cpuUsage(ourCpu);
  const generatorCores = (user + system) / 1e3 / (Date.now() - openedAt);
  load.stop();
  await load.finalizedUpTo(last.number);

  // From behind the window's first block to its last: whole blocks, over the time between them.
  const window = load.blocks.filter(({ number }) => number > first.number && number <= last.number);
  const reader = await BlockReader.create(api, node);
  const opening = await reader.read(first.hash);
  const read = [];
  for (const { hash } of window) {
    const canonical = await node.call('chain_getBlockHash', window[read.length].number);
    if (canonical !== hash) throw new Error('a block of the window was not finalized');
    read.push(await reader.read(hash));
  }
  const transfers = read.reduce((sum, block) => sum + block.transfers, 0);
  const spanSeconds = (read.at(-1).timeMs - opening.timeMs) / 1000;
  const { inclusion, finality } = latencies(window, accounts, load.sentAt);
  const { times, ends } = building(node.process.output());
  return {
    tps: transfers / spanSeconds,
    transfers,
    spanSeconds,
    failed: read.reduce((sum, block) => sum + block.failed, 0),
    refused: Object.fromEntries(load.refused),
    perBlock: read.map((block) => block.transfers),
    backlogPerBlock: window.map(({ backlog }) => backlog),
    fullness: read.reduce((sum, block) => sum + block.fullness, 0) / read.length,
    buildMs: { p50: percentile(times, 50), p99: percentile(times, 99) },
    blocksEndedBy: ends,
    inclusionMs: { p50: percentile(inclusion, 50), p99: percentile(inclusion, 99) },
    finalityMs: { p50: percentile(finality, 50), p99: percentile(finality, 99) },
    node: nodeUsage,
    generatorCores,
  };
}

/** What holds the figure down, as far as the numbers show it. */
function bottleneck({ fullness, blocksEndedBy, backlogPerBlock, node, generatorCores }) {
  if (fullness > 0.95) return 'the block\'s weight limit: blocks are full';
  const ends = Object.entries(blocksEndedBy).sort(([, a], [, b]) => b - a)[0]?.[0];
  if (ends === 'HitDeadline') return 'the author\'s time for building a block';
  if (percentile(backlogPerBlock, 50) < 500) {
    return `taking transfers in: the pool ran empty (node ${node.cores.toFixed(2)} cores, load generator ${generatorCores.toFixed(2)})`;
  }
  return `the pool gave the author no more transfers (blocks ended by ${ends})`;
}

function report(result) {
  const { perBlock, alone } = result;
  const lines = [
    ['transfers a second', `${round(result.tps)}  (${result.transfers} Transfer events in finalized blocks over ${result.spanSeconds} s)`],
    ['per block', `min ${Math.min(...perBlock)}, median ${percentile(perBlock, 50)}, max ${Math.max(...perBlock)}: ${perBlock.join(' ')}`],
    ['inclusion time', `p50 ${round(result.inclusionMs.p50)} ms, p99 ${round(result.inclusionMs.p99)} ms`],
    ['finality time', `p50 ${round(result.finalityMs.p50)} ms, p99 ${round(result.finalityMs.p99)} ms`],
    ['block weight used', `${round(result.fullness * 100)}% of what transfers may take`],
    ['building a block', `p50 ${result.buildMs.p50} ms, p99 ${result.buildMs.p99} ms; ended by ${JSON.stringify(result.blocksEndedBy)}`],
    ['building alone', `${round(alone.transfers_per_second)} transfers a second: ${alone.transactions} in ${round(1000 * alone.seconds)} ms; executing them ${round(1000 * alone.executing_seconds)} ms`],
    ['node', `${round(result.node.cores, 2)} cores, ${round(result.node.rssMibAfter)} MiB (peak ${round(result.node.rssMibPeak)} MiB, ${round(result.node.rssMibBefore)} MiB before)`],
    ['load generator', `${round(result.generatorCores, 2)} cores`],
    ['failed, refused', `${result.failed}, ${JSON.stringify(result.refused)}`],
    ['bottleneck', bottleneck(result)],
  ];
  for (const [what, value] of lines) say(`  ${what.padEnd(20)} ${value}`);
}

/**
 * What building a block does without RPC, pool, import and finality, with nothing else running: each sender's first
 * transfer, into one block, as often as `--rounds` says; the median.
 */
function buildingAlone(network, spec, shared, accounts) {
  const transfers = accounts.map((from, i) =>
    encodeTransfer(shared, sr25519Sign, from, accounts[(i + 1) % accounts.length].publicKey, 0));
  const file = network.file('transfers.hex', transfers.map((bytes) => hex(bytes)).join('\n'));
  const out = execFileSync(binary('cairn-node'), [
    'building-speed', '--chain', spec, '--base-path', join(network.dir, 'building'), '--transactions', file, '--rounds', '5',
  ], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return JSON.parse(out.trim().split('\n').at(-1));
}

const wanted = options.runtime === 'both' ? Object.keys(RUNTIMES) : [options.runtime];
for (const name of wanted) {
  if (!RUNTIMES[name]) throw new Error('--runtime takes ours, default or both');
  RUNTIMES[name].path = RUNTIMES[name].code();
}

say(`${options.senders} senders, ${options.connections} connections with batches of ${options.batch}, pool ${options['pool-type']} ${JSON.stringify(POOL)}`);
const accounts = await senders(Number(options.senders));
const results = {};
for (const name of wanted) {
  results[name] = await run(accounts, RUNTIMES[name]);
  report(results[name]);
}
say('');
if (results.ours && results.default) {
  results.ratio = results.ours.tps / results.default.tps;
  say(`ours : SDK defaults      ${round(results.ratio, 2)}`);
}
for (const name of wanted) {
  const { tps, alone } = results[name];
  results[name].shareOfBuildingAlone = tps / alone.transfers_per_second;
  say(`${name}: sustained ${round(tps)} transfers a second, ${round(100 * results[name].shareOfBuildingAlone)}% of what building blocks does alone`);
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
