// SPDX-License-Identifier: Apache-2.0
// What goes wrong between machines: a network that falls apart and heals, a chain that stands still, a disk that fills up.
// Nothing that was acknowledged is lost, and nobody who kept it is slashed.
//
// CAIRN_E2E_STALL_SECONDS is for how long the chain stands still (`scripts/bench faults --stall`); 20 without it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Cli, EXIT } from './lib/cli.mjs';
import { hashOf, MIB, randomFile } from './lib/files.mjs';
import { SmallDisk } from './lib/mount.mjs';
import { Network } from './lib/network.mjs';
import { blocks, bondsOf, keeperOf, startVaults } from './lib/vaults.mjs';
import { seconds, sleep, until } from './lib/wait.mjs';

const AS_ALICE = ['--account', '//Alice', '--yes'];
const STALL_SECONDS = Number(process.env.CAIRN_E2E_STALL_SECONDS ?? 20);
/** Of the disk that is filled, and of it what a vault keeps free. */
const DISK_MIB = 96;
const RESERVE_MIB = 16;

describe('storage and its network', { timeout: seconds(900 + 2 * STALL_SECONDS) }, () => {
  let network;
  let cli;
  let vaults;
  let drive;
  let disk;
  let noDisk;
  let bonds;
  let copies = 0;
  /** Names of files that were acknowledged, and their hashes. */
  const kept = new Map();

  const file = (name) => join(network.dir, name);
  const status = () => cli.ok('drive', 'status', String(drive));
  const healthy = async () => (await status()).slots.filter(({ state }) => state === 'healthy').length;
  const allHealthy = (what) => until(what, async () => await healthy() === 4, { timeoutMs: blocks(60), everyMs: 1000 });

  const putNew = async (name, bytes) => {
    randomFile(file(name), bytes);
    await cli.ok('put', file(name), `${drive}:/${name}`, ...AS_ALICE);
    kept.set(name, await hashOf(file(name)));
  };
  /** Everything that was ever acknowledged is there, byte for byte. */
  const checkAll = async () => {
    for (const [name, hash] of kept) {
      const got = file(`got-${name}-${copies += 1}`);
      await cli.ok('get', `${drive}:/${name}`, got, ...AS_ALICE);
      assert.equal(await hashOf(got), hash, name);
    }
  };
  const nobodySlashed = async () => {
    const now = await bondsOf(vaults);
    vaults.forEach((vault, i) => assert.equal(now[i], bonds[i], `${vault.name} was slashed`));
  };

  before(async () => {
    // The vaults reach it by other ports than its own.
    network = await Network.dev({ args: ['--rpc-cors', 'all'] });
    const [node] = network.nodes;
    await node.waitFinalized(2);
    cli = new Cli({ dir: network.dir, url: node.url });
    ({ disk, reason: noDisk } = SmallDisk.tryMount(file('small-disk'), DISK_MIB));
    vaults = await startVaults(network, cli, 6, {
      relayed: true,
      args: ['--reserve', `${RESERVE_MIB}MiB`],
      // The first vault's disk is small, if disks can be mounted.
      dataOf: (number) => (number === 1 && disk ? join(disk.path, 'vault') : undefined),
    });
    bonds = await bondsOf(vaults);
    // One that has a slot on the small disk: of six vaults four are drawn.
    const small = (await vaults[0].status()).account;
    for (;;) {
      drive = (await cli.ok('drive', 'create', '--capacity', '256MiB', ...AS_ALICE)).drive;
      if (!disk || (await status()).slots.some(({ vault }) => vault === small)) break;
      await cli.ok('drive', 'close', String(drive), ...AS_ALICE);
    }
  });

  // What one test cut must not stay so for the next.
  afterEach(() => vaults.forEach((vault) => vault.heal()));

  after(async () => {
    await Promise.all((vaults ?? []).map((vault) => vault.kill()));
    vaults?.forEach((vault) => { vault.line?.close(); vault.chainLine?.close(); });
    disk?.unmount();
    await network?.close();
  });

  test('a network that falls apart and heals', async () => {
    await putNew('before', 3 * MIB + 1);
    const { slots } = await status();
    const first = await keeperOf(vaults, slots[3]);
    const second = await keeperOf(vaults, slots[2]);

    // One of four cut off from drives and vaults: writing goes on, and it catches up.
    first.cut({ chain: false });
    await putNew('without-one', 2 * MIB);
    assert.equal((await status()).slots[3].state, 'behind');
    first.heal();
    await allHealthy('who was cut off has caught up');

    // Two of four: a write waits or fails, and says so; nothing of it is believed.
    first.cut({ chain: false });
    second.cut({ chain: false });
    const { version } = await status();
    randomFile(file('between'), MIB);
    const refused = await cli.run('put', file('between'), `${drive}:/between`, ...AS_ALICE);
    assert.equal(refused.code, EXIT.failed, refused.stderr);
    assert.match(refused.stderr, /vault/i);
    assert.equal((await status()).version, version);
    await checkAll();
    first.heal();
    second.heal();
    // The same command again: it goes on where it was.
    await cli.ok('put', file('between'), `${drive}:/between`, ...AS_ALICE);
    kept.set('between', await hashOf(file('between')));

    // One cut off from everything, the chain too, for less than a challenge's time.
    first.cut();
    await sleep(5_000);
    first.heal();
    await putNew('after', MIB);
    await allHealthy('four copies');
    await checkAll();
    await nobodySlashed();
  });

  test('a chain that stands still', async () => {
    const [node] = network.nodes;
    node.process.child.kill('SIGSTOP');
    await sleep(STALL_SECONDS * 1000);
    node.process.child.kill('SIGCONT');
    // It ends connections that were silent for minutes.
    const before = await until('the node answers', async () => {
      await node.reconnect();
      return node.finalizedNumber();
    });
    // Long enough for each vault's turn and its deadline: a miss would stand in its history.
    await node.waitFinalized(before + 28, { timeoutMs: blocks(60) });
    await putNew('after-the-stall', MIB);
    await allHealthy('four copies');
    await checkAll();
    await nobodySlashed();
    for (const vault of vaults) {
      const now = await vault.status();
      assert.match(now.status, /^(active|probation)$/, vault.name);
      assert.equal(now.missed_in_row, 0, vault.name);
    }
  });

  test('a full disk', async (t) => {
    if (!disk) return t.skip(`no disk to fill: ${noDisk}`);
    const small = vaults[0];
    const { account } = await small.status();
    assert.ok((await status()).slots.some(({ vault }) => vault === account), 'the vault with the small disk has a slot');
    disk.fillTo(RESERVE_MIB + 2);
    await putNew('with-a-full-disk', 12 * MIB);
    const slot = (await status()).slots.find(({ vault }) => vault === account);
    assert.equal(slot?.state, 'behind', 'a vault whose disk is full signs nothing more');
    assert.ok(small.process.alive);
    await until('the log says it', () => /disk is full/.test(small.process.output()), { timeoutMs: seconds(30) });
    await checkAll();
    disk.clear();
    await allHealthy('with room again it catches up, or another has taken over');
    await putNew('with-room-again', 12 * MIB);
    await checkAll();
    await nobodySlashed();
  });
});
