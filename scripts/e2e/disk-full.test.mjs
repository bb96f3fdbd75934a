// SPDX-License-Identifier: Apache-2.0
// A full disk stops the node with a clear message, and nothing that was finalized is lost.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, beforeEach, afterEach, describe, test } from 'node:test';
import { CRN, connect, devAccount, freeBalance, submit } from './lib/chain.mjs';
import { SmallDisk } from './lib/mount.mjs';
import { Network } from './lib/network.mjs';
import { isolatedSpec } from './lib/spec.mjs';
import { seconds, until, within } from './lib/wait.mjs';

const DISK_MIB = 512;
const THRESHOLD_MIB = 128;

describe('a full disk', { timeout: seconds(420) }, () => {
  let network;
  let disk;
  let reason;
  let node;
  let alice;
  let receiver;

  before(async () => {
    alice = await devAccount('Alice');
    receiver = await devAccount('DiskFull');
  });

  beforeEach(() => {
    network = new Network();
    ({ disk, reason } = SmallDisk.tryMount(join(network.dir, 'disk'), DISK_MIB));
  });

  afterEach(async () => {
    await Promise.all(network.nodes.map((running) => running.kill()));
    disk?.unmount();
    await network.close();
  });

  after(() => {
    disk?.unmount();
  });

  const startNode = (...flags) => {
    network.spec = isolatedSpec('dev');
    return network.addValidator('small', {
      as: 'alice', basePath: join(disk.path, 'data'), args: ['--force-authoring', ...flags],
    });
  };

  /** Sends money, waits for finality; returns what must still be there later. */
  async function finalizeSomething() {
    const api = await connect(node.url);
    await submit(api, alice, api.tx.balances.transferKeepAlive(receiver.address, CRN));
    const number = await node.finalizedNumber();
    const state = { number, hash: await node.call('chain_getBlockHash', number), balance: await freeBalance(api, receiver.address) };
    await api.disconnect();
    return state;
  }

  /** The node has what was finalized before, and goes on from there. */
  async function assertNothingLost(state) {
    assert.equal(await node.call('chain_getBlockHash', state.number), state.hash);
    assert.ok(await node.finalizedNumber() >= state.number);
    const api = await connect(node.url);
    assert.equal(await freeBalance(api, receiver.address), state.balance);
    await api.disconnect();
    await node.waitFinalized(state.number + 3);
  }

  /** Whether there is a disk; only who says so may do without the two tests that need one. */
  function haveDisk(t) {
    if (disk) return true;
    if (!process.env.CAIRN_E2E_NO_MOUNT) {
      assert.fail(`a disk cannot be mounted here (${reason}): run as root, or leave this out with CAIRN_E2E_NO_MOUNT=1`);
    }
    t.skip(reason);
    return false;
  }

  test('below the threshold the node says so and stops; with space again it goes on', async (t) => {
    if (!haveDisk(t)) return;
    node = await startNode('--db-storage-threshold', String(THRESHOLD_MIB), '--db-storage-polling-period', '1');
    const state = await finalizeSomething();

    disk.fillTo(THRESHOLD_MIB - 8);
    const exit = await within('the node stops by itself', node.process.ended, seconds(60));
    assert.notEqual(exit.code, 0, 'a node that stopped for this reason did not succeed');
    assert.match(node.process.tail(), /Available space \d+MiB for path .* dropped below threshold: 128MiB , terminating/);

    // Started again without space, it refuses with the same reason.
    await assert.rejects(node.restart(), /disk of the database .* is nearly full/);

    disk.clear();
    await node.restart();
    await assertNothingLost(state);
  });

  test('even when not a byte is left, what was finalized survives', async (t) => {
    if (!haveDisk(t)) return;
    node = await startNode('--db-storage-threshold', '0');
    const state = await finalizeSomething();

    disk.fillTo(0);
    await until('the node meets the full disk', () => !node.alive || /No space left/i.test(node.process.output()),
      { timeoutMs: seconds(120) });
    await node.kill();

    disk.clear();
    await node.restart();
    await assertNothingLost(state);
  });
});
