// SPDX-License-Identifier: Apache-2.0
// A chain that splits: one of three validators builds blocks of its own that the others' heavier chain then takes the place of.
// Vaults and their owner are on the side that loses: what they sent is undone; they give it to the other one's nodes again when hers
// is gone.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cli } from './lib/cli.mjs';
import { hashOf, MIB, randomFile } from './lib/files.mjs';
import { Network } from './lib/network.mjs';
import { blocks, bondsOf, startVaults } from './lib/vaults.mjs';
import { seconds, until } from './lib/wait.mjs';

const AS_ALICE = ['--account', '//Alice', '--yes'];

describe('storage on a chain that splits', { timeout: seconds(900) }, () => {
  let network;
  let alice;
  let others;
  let cli;
  let vaults;
  let drive;
  const kept = new Map();

  const file = (name) => join(network.dir, name);
  const status = () => cli.ok('drive', 'status', String(drive));
  const put = (name) => cli.ok('put', file(name), `${drive}:/${name}`, ...AS_ALICE);
  const fresh = async (name, bytes) => {
    randomFile(file(name), bytes);
    kept.set(name, await hashOf(file(name)));
  };
  const checkAll = async () => {
    for (const [name, hash] of kept) {
      const got = file(`got-${name}-${(await status()).version}`);
      await cli.ok('get', `${drive}:/${name}`, got, ...AS_ALICE);
      assert.equal(await hashOf(got), hash, name);
    }
  };

  before(async () => {
    network = await Network.local();
    [alice, ...others] = network.nodes;
    // She builds blocks without peers, too; the others don't.
    await alice.kill();
    await alice.restart(['--force-authoring']);
    await alice.waitFinalized(2, { timeoutMs: blocks(60) });
    // Whose node is gone asks the next one.
    cli = new Cli({ dir: network.dir, url: alice.url, more: ['--url', others[0].url] });
    vaults = await startVaults(network, cli, 5);
    drive = (await cli.ok('drive', 'create', '--capacity', '256MiB', ...AS_ALICE)).drive;
    await fresh('before', 3 * MIB + 1);
    await put('before');
  });

  after(async () => {
    await Promise.all((vaults ?? []).map((vault) => vault.kill()));
    await network?.close();
  });

  test('what the lost side had is in the other one\'s blocks after it, and nobody is slashed for it', async () => {
    const bonds = await bondsOf(vaults);
    const { version } = await status();
    const addresses = await Promise.all(network.nodes.map((node) => node.address()));
    // Alice goes on alone. What she builds is not final, and nobody else hears of it.
    await Promise.all(others.map((node) => node.kill()));
    await fresh('meanwhile', 2 * MIB);
    const putting = put('meanwhile');
    await until('the checkpoint is in a block', async () => (await status()).version === version + 1, { timeoutMs: blocks(40), everyMs: 500 });
    // Now the others, without her, until theirs is the heavier chain. They begin when they have each other, which is when she is gone:
    // a vault can answer on one chain only.
    await Promise.all(others.map((node) => node.restart(['--reserved-only'])));
    const held = await alice.bestNumber();
    const lost = await alice.call('chain_getBlockHash', held);
    const common = await alice.finalizedNumber();
    assert.ok(common < held);
    const weight = await alice.primariesSince(common);
    await alice.kill();
    await Promise.all([0, 1].map((i) => others[i].call('system_addReservedPeer', addresses[2 - i])));
    await others[0].waitBest(held + 4, { timeoutMs: blocks(80) });
    // By two: she may build one more block when she is back, before she has heard of theirs.
    await until('theirs is heavier', async () => (await others[0].primariesSince(common)) >= weight + 2, { timeoutMs: blocks(120), everyMs: 1000 });
    assert.notEqual(await others[0].call('chain_getBlockHash', held), lost, 'they are two chains');

    await alice.restart();
    await others[1].call('system_addReservedPeer', addresses[0]);
    await until('Alice took the others\' chain', async () => (await alice.call('chain_getBlockHash', held)) !== lost, { timeoutMs: blocks(40) });
    await putting;
    assert.equal((await status()).version, version + 1, 'once, not twice');
    await checkAll();

    // Long enough for each vault's turn: a challenge of the lost chain is another one on this.
    const now = await alice.finalizedNumber();
    await alice.waitFinalized(now + 28, { timeoutMs: blocks(80) });
    assert.deepEqual(await bondsOf(vaults), bonds, 'nobody was slashed');
    for (const vault of vaults) assert.equal((await vault.status()).missed_in_row, 0, vault.name);
    await until('four copies', async () => (await status()).slots.filter(({ state }) => state === 'healthy').length === 4, { timeoutMs: blocks(60), everyMs: 1000 });
    await fresh('after', MIB);
    await put('after');
    await checkAll();
  });
});
