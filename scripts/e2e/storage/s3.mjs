// SPDX-License-Identifier: Apache-2.0
// What scripts/e2e/storage/s3 runs. What must hold, step by step:
//   - a big file and small ones come back byte for byte, from the bucket after the vaults were started anew;
//   - proofs go on, period after period, most of what is shown having been fetched;
//   - while the bucket's server is gone, puts are acknowledged; afterwards they are uploaded, and nobody has lost bond or slot;
//   - an object that was removed is found by a scrub, and rebuilt from the group.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cli } from '../lib/cli.mjs';
import { hashOf, MIB, randomFile } from '../lib/files.mjs';
import { Garage } from '../lib/garage.mjs';
import { Network } from '../lib/network.mjs';
import { blocks, bondsOf, Vault } from '../lib/vaults.mjs';
import { sleep, until } from '../lib/wait.mjs';

const { values } = parseArgs({ options: { mib: { type: 'string', default: '300' } } });
const mib = Number(values.mib);
const BUCKET = 'cairn';
const AS_ALICE = ['--account', '//Alice', '--yes'];
/** Blocks of a period on the development chain. */
const PERIOD = 20;
/** Complete segments of 8 MiB that such a log has at least. */
const segments = Math.floor(mib / 8);

const started = Date.now();
const tell = (text) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(7)} s  ${text}`);

const network = await Network.dev();
let garage;
let failed = true;
try {
  garage = await Garage.start(network.dir, BUCKET);
  tell(`Garage serves bucket ${BUCKET} at ${garage.endpoint}`);
  const [node] = network.nodes;
  await node.waitFinalized(2);
  const file = (name) => join(network.dir, name);
  const cli = new Cli({ dir: network.dir, url: node.url });
  const vaults = [1, 2, 3, 4].map((number) => new Vault({
    network, number, cli: Object.assign(new Cli({ dir: network.dir, url: node.url }), { env: { ...cli.env, ...garage.environment } }),
    args: ['--objects', `s3://${BUCKET}/vault${number}`],
  }));
  for (const vault of vaults) await cli.ok('account', 'send', vault.account, '2000', ...AS_ALICE, '--no-wait');
  await Promise.all(vaults.map((vault) => vault.register({ capacity: '2GiB' })));
  await Promise.all(vaults.map((vault) => vault.start()));
  const bonds = await bondsOf(vaults);
  const sum = async (metric) => {
    const all = await Promise.all(vaults.map((vault) => vault.metric(metric)));
    return all.reduce((sum, value) => sum + value, 0);
  };
  const sound = async () => {
    assert.deepEqual(await bondsOf(vaults), bonds, 'no vault lost bond');
    const { slots } = await cli.ok('drive', 'status', String(drive));
    assert.deepEqual(slots.map(({ state }) => state), Array(4).fill('healthy'));
  };
  const objects = async () => (await Promise.all(vaults.map((vault) => garage.list(`vault${vault.number}/`)))).map((all) => all.length);
  const local = (vault) => readdirSync(vault.data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[0-9a-f]{16}$/.test(entry.name)).length;

  const { drive } = await cli.ok('drive', 'create', 'cloud', '--capacity', `${2 * mib}MiB`, ...AS_ALICE);
  randomFile(file('big'), mib * MIB);
  mkdirSync(file('small'));
  for (let i = 0; i < 500; i++) writeFileSync(file(`small/${i}`), `file ${i}\n`.repeat(1 + (i % 400)));
  let at = Date.now();
  await cli.ok('put', file('big'), `${drive}:/big`, ...AS_ALICE);
  await cli.ok('put', '-r', file('small'), `${drive}:/small`, ...AS_ALICE);
  tell(`put ${mib} MiB and 500 small files in ${((Date.now() - at) / 1000).toFixed(1)} s`);
  await until('all complete segments are objects, and their files gone', async () => (
    (await objects()).every((count) => count >= segments) && vaults.every((vault) => local(vault) <= 2)
  ), { timeoutMs: blocks(100), everyMs: 1000 });
  tell(`uploaded: ${(await objects()).join(', ')} objects; here ${vaults.map(local).join(', ')} files`);

  const get = async (name) => {
    at = Date.now();
    await cli.ok('get', '-r', `${drive}:/`, file(name), ...AS_ALICE);
    assert.equal(await hashOf(join(file(name), 'big')), await hashOf(file('big')));
    for (const small of readdirSync(file('small'))) {
      assert.equal(readFileSync(join(file(name), 'small', small), 'utf8'), readFileSync(file(`small/${small}`), 'utf8'));
    }
    tell(`got all of it, byte for byte, in ${((Date.now() - at) / 1000).toFixed(1)} s (${name})`);
  };
  await get('first');
  await Promise.all(vaults.map((vault) => vault.kill('SIGTERM')));
  await Promise.all(vaults.map((vault) => vault.start()));
  await get('after-restart');
  await Promise.all(vaults.map((vault) => vault.kill()));
  await Promise.all(vaults.map((vault) => vault.start()));
  tell('started anew after a kill -9');

  const turns = async () => (await Promise.all(vaults.map((vault) => vault.status()))).map((vault) => vault.turns);
  const before = await turns();
  await until('each vault had four turns more', async () => (await turns()).every((count, i) => count >= before[i] + 4), {
    timeoutMs: blocks(6 * PERIOD), everyMs: 2000,
  });
  assert.ok(await sum('challenges_proven_total') >= 12);
  await sound();
  tell(`proved: turns ${(await turns()).join(', ')}; none missed`);

  // Longer than a period: two vaults at least miss a turn, and none three.
  await garage.kill();
  at = Date.now();
  randomFile(file('meanwhile'), 40 * MIB);
  await cli.ok('put', file('meanwhile'), `${drive}:/meanwhile`, ...AS_ALICE);
  tell('Garage is killed; 40 MiB more were put and acknowledged');
  await sleep(Math.max(0, blocks(PERIOD + 5) - (Date.now() - at)));
  garage.run();
  await until('what was put meanwhile is uploaded', async () => (
    vaults.every((vault) => local(vault) <= 2) && (await objects()).every((count) => count >= segments + 4)
  ), { timeoutMs: blocks(100), everyMs: 1000 });
  tell(`Garage was away for ${Math.round((Date.now() - at) / 1000)} s and what it missed is uploaded`);
  const missed = async () => (await Promise.all(vaults.map((vault) => vault.status()))).map((vault) => vault.missed_of_last);
  tell(`misses then: ${(await missed()).join(', ')}`);
  const [back] = await turns();
  await until('what was missed is judged', async () => (await turns())[0] >= back + 2, { timeoutMs: blocks(4 * PERIOD), everyMs: 2000 });
  await sleep(blocks(8));
  await sound();
  assert.deepEqual(await missed(), [0, 0, 0, 0], 'all that was missed is forgiven');
  await cli.ok('get', `${drive}:/meanwhile`, file('meanwhile-again'), ...AS_ALICE);
  assert.equal(await hashOf(file('meanwhile-again')), await hashOf(file('meanwhile')));
  tell('nobody was slashed, and what was put meanwhile comes back');

  const [victim] = vaults;
  const [, object] = await garage.list(`vault${victim.number}/`);
  await garage.remove(object.key);
  await cli.ok('vault', 'scrub', '--status', `127.0.0.1:${victim.statusPort}`);
  await until('the object is there again', async () => (
    (await garage.list(object.key)).some(({ size }) => size === object.size)
  ), { timeoutMs: blocks(100), everyMs: 2000 });
  tell(`${object.key} was removed; the scrub found ${await victim.metric('damaged_total')} damaged shards and repaired ${await victim.metric('repaired_total')}`);
  assert.equal(await victim.metric('damaged_total'), await victim.metric('repaired_total'));
  await Promise.all(vaults.slice(1).map((vault) => vault.kill()));
  await cli.ok('get', `${drive}:/big`, file('from-one'), ...AS_ALICE);
  assert.equal(await hashOf(file('from-one')), await hashOf(file('big')));
  tell('the vault alone gives all of it');
  assert.deepEqual(await bondsOf(vaults), bonds);
  failed = false;
} finally {
  if (failed) console.error(`the logs are in ${network.dir} until this ends`);
  await garage?.kill();
  await network.close();
}
tell('done');
process.exit(0);
