// SPDX-License-Identifier: Apache-2.0
// Chain specifications: exported by the node, changed, written. Needs no packages, so that scripts/localnet can use it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { binary } from './paths.mjs';

const BIG = 'bignumber:';

/** JSON with integers that a double cannot hold; they come back as marked strings. */
export function parseSpec(text) {
  return JSON.parse(text.replace(/([:,[]\s*)(\d{16,})(?=\s*[,\]}])/g, `$1"${BIG}$2"`));
}

/** The reverse of `parseSpec`. */
export function formatSpec(spec) {
  return JSON.stringify(spec, null, 2).replace(new RegExp(`"${BIG}(\\d+)"`, 'g'), '$1');
}

/** A chain specification as the node exports it, parsed by `parseSpec`. */
export function exportSpec(chain, { raw = false } = {}) {
  return parseSpec(execFileSync(
    binary('cairn-node'),
    ['export-chain-spec', '--chain', chain, ...(raw ? ['--raw'] : [])],
    { maxBuffer: 512 * 1024 * 1024, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' },
  ));
}

/**
 * The path of a chain's raw specification without its boot nodes, so that a network started from it meets no other one.
 * Made once for each build of the node: making it compiles the runtime twice.
 */
export function isolatedSpec(chain) {
  const { mtimeMs, size } = statSync(binary('cairn-node'));
  const dir = join(tmpdir(), `cairn-e2e-specs-${process.getuid()}`);
  const path = join(dir, `${chain}-${Math.round(mtimeMs)}-${size}.json`);
  if (!existsSync(path)) {
    mkdirSync(dir, { recursive: true });
    const spec = exportSpec(chain, { raw: true });
    spec.bootNodes = [];
    writeFileSync(`${path}.${process.pid}`, formatSpec(spec));
    renameSync(`${path}.${process.pid}`, path);
  }
  return path;
}

/** The genesis configuration of a specification that is not raw. */
function genesis(spec) {
  const { runtimeGenesis } = spec.genesis;
  const config = runtimeGenesis?.patch ?? runtimeGenesis?.config;
  if (!config) throw new Error('this specification is raw: its genesis can not be changed by name');
  return config;
}

/** Keeps only the first `count` genesis validators. */
export function keepValidators(spec, count) {
  const { session, staking } = genesis(spec);
  session.keys = session.keys.slice(0, count);
  staking.stakers = staking.stakers.slice(0, count);
  spec.bootNodes = [];
  return spec;
}

/** Adds accounts that have `amount` (a bigint) from the start. */
export function endow(spec, addresses, amount) {
  genesis(spec).balances.balances.push(...addresses.map((address) => [address, `${BIG}${amount}`]));
  return spec;
}

/** Changes what the network fixes at its genesis. */
export function withNetwork(spec, changes) {
  Object.assign(genesis(spec).network.parameters, changes);
  return spec;
}

/** Gives it production's periods, which a genesis has that names none. */
export function atProductionPace(spec) {
  delete genesis(spec).network;
  return spec;
}

/** Replaces the genesis runtime by the blob in a file. */
export function replaceCode(spec, path) {
  spec.genesis.runtimeGenesis.code = `0x${readFileSync(path).toString('hex')}`;
  return spec;
}

// As a command: a specification on standard input, the changed one on standard output.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [flag, value] = process.argv.slice(2);
  if (flag !== '--validators') throw new Error('usage: spec.mjs --validators N <in.json >out.json');
  process.stdout.write(formatSpec(keepValidators(parseSpec(readFileSync(0, 'utf8')), Number(value))));
}
