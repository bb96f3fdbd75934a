// SPDX-License-Identifier: Apache-2.0
// A smoldot light client on a network of three validators: it follows finality by itself and believes only proofs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Enum, createClient } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getSmProvider } from 'polkadot-api/sm-provider';
import { filter, firstValueFrom } from 'rxjs';
import { start } from 'smoldot';
import { CRN, devAccount } from '../lib/chain.mjs';
import { Network } from '../lib/network.mjs';
import { seconds, within } from '../lib/wait.mjs';

const WARNINGS = 2;

describe('smoldot', { timeout: seconds(420) }, () => {
  let network;
  let bootNodes;
  let alice;

  before(async () => {
    network = await Network.local({ listen: 'ws' });
    bootNodes = await Promise.all(network.nodes.map((node) => node.address()));
    // Past the first epoch change (10 blocks): the light client has to follow one.
    await network.nodes[0].waitFinalized(12);
    alice = await devAccount('Alice');
  });

  after(() => network?.close());

  /** Runs `work` with a light client of this specification. */
  async function withLightClient(spec, work) {
    const log = [];
    const smoldot = start({
      maxLogLevel: WARNINGS,
      logCallback: (level, target, message) => log.push(`${level} ${target} ${message}`),
    });
    let client;
    try {
      client = createClient(getSmProvider(() => smoldot.addChain({ chainSpec: JSON.stringify(spec) })));
      return await work(client);
    } catch (error) {
      error.message += `\n--- smoldot said\n${log.slice(-30).join('\n')}`;
      throw error;
    } finally {
      client?.destroy();
      await smoldot.terminate();
    }
  }

  const reach = (client, number) => within(
    `the light client to have finalized block ${number}`,
    firstValueFrom(client.finalizedBlock$.pipe(filter((block) => block.number >= number))),
    seconds(180),
  );

  test('syncs from genesis, then reads a balance with proof and sends money', async () => {
    const node = network.nodes[1];
    const spec = { ...JSON.parse(readFileSync(network.spec, 'utf8')), bootNodes };
    await withLightClient(spec, async (client) => {
      const target = await node.finalizedNumber();
      const block = await reach(client, target);
      assert.equal(block.hash, await node.call('chain_getBlockHash', block.number));

      const api = client.getUnsafeApi();
      const receiver = await devAccount('LightReceiver');
      const before = await api.query.System.Account.getValue(alice.address);
      assert.ok(before.data.free > 1000n * CRN);
      assert.equal((await api.query.System.Account.getValue(receiver.address)).data.free, 0n);

      const signer = getPolkadotSigner(alice.publicKey, 'Sr25519', (bytes) => alice.sign(bytes));
      const result = await within('a transfer through the light client', api.tx.Balances
        .transfer_keep_alive({ dest: Enum('Id', receiver.address), value: 7n * CRN })
        .signAndSubmit(signer), seconds(120));
      assert.ok(result.ok, JSON.stringify(result.dispatchError));
      const { data } = await api.query.System.Account.getValue(receiver.address, { at: result.block.hash });
      assert.equal(data.free, 7n * CRN);
    });
  });

  test('syncs from a checkpoint that a node gives out', async () => {
    const node = network.nodes[2];
    const spec = await node.call('sync_state_genSyncSpec', true);
    assert.ok(spec.lightSyncState, 'the specification has a checkpoint');
    spec.bootNodes = bootNodes;
    await withLightClient(spec, async (client) => {
      const target = await node.finalizedNumber() + 2;
      const block = await reach(client, target);
      assert.equal(block.hash, await node.call('chain_getBlockHash', block.number));
      const { data } = await client.getUnsafeApi().query.System.Account.getValue(alice.address);
      assert.ok(data.free > 1000n * CRN);
    });
  });
});
