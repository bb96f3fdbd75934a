// SPDX-License-Identifier: Apache-2.0
// polkadot-api against a running node, over the new JSON-RPC (chainHead, transaction, chainSpec) alone.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AccountId, Enum, createClient } from 'polkadot-api';
import { getPolkadotSigner, withMetadataHash } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';
import { firstValueFrom, take, toArray } from 'rxjs';
import WebSocket from 'ws';
import { CRN, devAccount } from '../lib/chain.mjs';
import { Network } from '../lib/network.mjs';
import { seconds, within } from '../lib/wait.mjs';

const signer = (account) => getPolkadotSigner(account.publicKey, 'Sr25519', (bytes) => account.sign(bytes));

describe('polkadot-api', { timeout: seconds(300) }, () => {
  let network;
  let client;
  let api;
  let alice;
  let bob;

  before(async () => {
    // Archives everything: the archive_v1 methods are only there then.
    network = await Network.dev({ args: ['--state-pruning', 'archive', '--blocks-pruning', 'archive'] });
    client = createClient(getWsProvider(network.nodes[0].url, { websocketClass: WebSocket }));
    api = client.getUnsafeApi();
    alice = await devAccount('Alice');
    bob = await devAccount('Bob');
  });

  after(async () => {
    client?.destroy();
    await network?.close();
  });

  test('reads the chain specification', async () => {
    const { name, genesisHash, properties } = await client.getChainSpecData();
    assert.match(name, /Cairn/i);
    assert.match(genesisHash, /^0x[0-9a-f]{64}$/);
    assert.equal(properties.tokenSymbol, 'CRN');
    assert.equal(properties.tokenDecimals, 12);
    assert.equal(properties.ss58Format, 42);
  });

  test('follows finalized and best blocks', async () => {
    const finalized = await within('three finalized blocks',
      firstValueFrom(client.finalizedBlock$.pipe(take(3), toArray())));
    assert.equal(finalized[2].number, finalized[0].number + 2);
    assert.equal(finalized[2].parent, finalized[1].hash);
    const [best] = await client.getBestBlocks();
    assert.ok(best.number >= finalized[2].number);
  });

  test('reads constants, storage values and storage maps', async () => {
    assert.equal(await api.constants.Balances.ExistentialDeposit(), CRN / 1000n);
    const { data } = await api.query.System.Account.getValue(alice.address);
    assert.ok(data.free > 0n);
    const entries = await api.query.System.Account.getEntries();
    assert.ok(entries.some(({ keyArgs: [who] }) => who === alice.address));
  });

  test('calls the runtime', async () => {
    const version = await api.apis.Core.version();
    assert.match(version.spec_name, /cairn/);
    assert.equal(await api.apis.AccountNonceApi.account_nonce(alice.address),
      (await api.query.System.Account.getValue(alice.address)).nonce);
    const mostExpensive = await api.apis.TransactionPaymentApi.query_weight_to_fee({
      ref_time: 10n ** 12n, proof_size: 0n,
    });
    assert.ok(mostExpensive > 0n);
  });

  test('transfers, and sees the events of its own transaction and of the block', async () => {
    const amount = 3n * CRN;
    const before = (await api.query.System.Account.getValue(bob.address)).data.free;
    const tx = api.tx.Balances.transfer_keep_alive({ dest: Enum('Id', bob.address), value: amount });
    assert.ok(await tx.getEstimatedFees(alice.address) > 0n);

    const result = await within('the transfer', tx.signAndSubmit(signer(alice)), seconds(90));
    assert.ok(result.ok, JSON.stringify(result.dispatchError));
    const [transfer] = api.event.Balances.Transfer.filter(result.events);
    assert.deepEqual(transfer.payload, { from: alice.address, to: bob.address, amount });

    const inBlock = await api.event.Balances.Transfer.get(result.block.hash);
    assert.ok(inBlock.some(({ payload }) => payload.to === bob.address && payload.amount === amount));
    const after = (await api.query.System.Account.getValue(bob.address, { at: result.block.hash })).data.free;
    assert.equal(after, before + amount);
  });

  test('reports a failing call by its name', async () => {
    const { free } = (await api.query.System.Account.getValue(bob.address)).data;
    const tx = api.tx.Balances.transfer_keep_alive({ dest: Enum('Id', alice.address), value: free * 2n });
    const result = await within('the failing transfer', tx.signAndSubmit(signer(bob)), seconds(90));
    assert.equal(result.ok, false);
    assert.match(JSON.stringify(result.dispatchError), /FundsUnavailable|InsufficientBalance/);
  });

  test('refuses to send what the chain would refuse', async () => {
    const poor = await devAccount('Nobody//has//funded//this');
    const tx = api.tx.System.remark({ remark: new Uint8Array([1]) });
    await assert.rejects(within('the refusal', tx.signAndSubmit(signer(poor), { nonce: 0 })), /Payment|Invalid/);
  });

  test('a transaction that commits to the metadata hash is accepted', async () => {
    const careful = withMetadataHash({ decimals: 12, tokenSymbol: 'CRN' }, signer(alice));
    const tx = api.tx.System.remark_with_event({ remark: new TextEncoder().encode('seen by a hardware wallet') });
    const result = await within('the remark', tx.signAndSubmit(careful), seconds(90));
    assert.ok(result.ok);
    assert.equal(api.event.System.Remarked.filter(result.events).length, 1);
  });

  test('decodes addresses as the chain does', () => {
    assert.equal(AccountId(42).dec(alice.publicKey), alice.address);
  });

  test('the node offers the new RPC under its final names', async () => {
    const { methods } = await network.nodes[0].call('rpc_methods');
    for (const method of ['chainHead_v1_follow', 'chainHead_v1_storage', 'chainHead_v1_call', 'chainSpec_v1_chainName',
      'transaction_v1_broadcast', 'transactionWatch_v1_submitAndWatch', 'archive_v1_storage']) {
      assert.ok(methods.includes(method), `${method} is missing`);
    }
  });
});
