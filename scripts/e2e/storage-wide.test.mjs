// SPDX-License-Identifier: Apache-2.0
// A drive coded 4 of 16: with twelve of its vaults dead at once it is read byte for byte, and repair alone brings it back
// without them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cli } from './lib/cli.mjs';
import { hashOf, MIB, randomFile } from './lib/files.mjs';
import { Network } from './lib/network.mjs';
import { blocks, startVaults } from './lib/vaults.mjs';
import { seconds, until } from './lib/wait.mjs';

const AS_ALICE = ['--account', '//Alice', '--yes'];
const SLOTS = 16;
const KILLED = 12;

describe('a wide drive', { timeout: seconds(900) }, () => {
  let network;
  let cli;
  let vaults;

  before(async () => {
    network = await Network.dev();
    const [node] = network.nodes;
    await node.waitFinalized(2);
    cli = new Cli({ dir: network.dir, url: node.url });
    // As many more as will be killed.
    vaults = await startVaults(network, cli, SLOTS + KILLED);
  });

  after(async () => {
    await Promise.all((vaults ?? []).map((vault) => vault.kill()));
    await network?.close();
  });

  test('twelve of sixteen die: nothing is lost, and others take their place', async () => {
    const file = (name) => join(network.dir, name);
    const { drive } = await cli.ok('drive', 'create', '--capacity', '64MiB', '--coding', '4/16', ...AS_ALICE);
    const status = () => cli.ok('drive', 'status', String(drive));
    randomFile(file('whole'), 9 * MIB + 4097);
    await cli.ok('put', file('whole'), `${drive}:/whole`, ...AS_ALICE);
    const hash = await hashOf(file('whole'));

    const { slots } = await status();
    assert.equal(slots.length, SLOTS);
    assert.equal(new Set(slots.map(({ vault }) => vault)).size, SLOTS, 'each slot is another vault\'s');
    const accounts = await Promise.all(vaults.map(async (vault) => (await vault.status()).account));
    // The first four hold the data as it is: those that are left have parity alone.
    const doomed = slots.slice(0, KILLED).map(({ vault }) => vaults[accounts.indexOf(vault)]);
    await Promise.all(doomed.map((vault) => vault.kill()));

    await cli.ok('get', `${drive}:/whole`, file('with-four'), ...AS_ALICE);
    assert.equal(await hashOf(file('with-four')), hash);

    const dead = new Set(slots.slice(0, KILLED).map(({ vault }) => vault));
    // One whose death is noticed only when all others have been replaced is a single loss, and a wide drive waits with those: it
    // is whole while more than three quarters are healthy. That it is refilled until all are is the pallet's test.
    await until('none of the dead has a slot, and more than three quarters are healthy', async () => {
      const now = (await status()).slots;
      const held = now.filter(({ vault }) => dead.has(vault)).length;
      const healthy = now.filter(({ state }) => state === 'healthy').length;
      if (held === 0 && healthy > 3 / 4 * SLOTS) return true;
      throw new Error(`${healthy} of ${SLOTS} are healthy, ${held} are the dead's`);
    }, { timeoutMs: blocks(200), everyMs: 2000 });

    // Now those who were there from the beginning die: what was rebuilt must do alone.
    const old = slots.slice(KILLED).map(({ vault }) => vaults[accounts.indexOf(vault)]);
    await Promise.all(old.map((vault) => vault.kill()));
    await cli.ok('get', `${drive}:/whole`, file('rebuilt'), ...AS_ALICE);
    assert.equal(await hashOf(file('rebuilt')), hash);
  });
});
