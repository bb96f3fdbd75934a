// SPDX-License-Identifier: Apache-2.0
// @polkadot/api against a running node: the client behind most wallets and explorers.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { merkleizeMetadata } from '@polkadot-api/merkleize-metadata';
import { u8aToHex } from '@polkadot/util';
import { CRN, connect, devAccount, freeBalance, submit } from '../lib/chain.mjs';
import { Network } from '../lib/network.mjs';
import { seconds, until } from '../lib/wait.mjs';

describe('@polkadot/api', { timeout: seconds(300) }, () => {
  let network;
  let api;
  let alice;
  let bob;

  before(async () => {
    network = await Network.dev();
    api = await connect(network.nodes[0].url);
    alice = await devAccount('Alice');
    bob = await devAccount('Bob');
  });

  after(async () => {
    await api?.disconnect();
    await network?.close();
  });

  test('knows the coin: symbol, decimals, address format, existential deposit', () => {
    assert.deepEqual(api.registry.chainTokens, ['CRN']);
    assert.deepEqual(api.registry.chainDecimals, [12]);
    assert.equal(api.registry.chainSS58, 42);
    assert.equal(api.consts.balances.existentialDeposit.toBigInt(), CRN / 1000n);
  });

  test('reads constants, storage and storage maps', async () => {
    assert.ok((await api.query.system.number()).toNumber() >= 0);
    assert.ok(await freeBalance(api, alice.address) > 0n);
    const validators = await api.query.session.validators();
    assert.ok(validators.length >= 1);
    const entries = await api.query.system.account.entries();
    assert.ok(entries.some(([key]) => key.args[0].toString() === alice.address));
  });

  test('transfers: the receiver gets all of it, the sender pays it and the fee, the event says so', async () => {
    const amount = 5n * CRN;
    const [senderBefore, receiverBefore] = await Promise.all([
      freeBalance(api, alice.address), freeBalance(api, bob.address),
    ]);
    const { events, block } = await submit(api, alice, api.tx.balances.transferKeepAlive(bob.address, amount));

    const find = (section, method) => events.find(({ event }) => event.section === section && event.method === method);
    const transfer = find('balances', 'Transfer');
    assert.deepEqual(transfer.event.data.map(String), [alice.address, bob.address, String(amount)]);
    assert.ok(find('system', 'ExtrinsicSuccess'));
    const [, fee] = find('transactionPayment', 'TransactionFeePaid').event.data;

    const at = await api.at(block);
    const freeAt = async (address) => (await at.query.system.account(address)).data.free.toBigInt();
    assert.equal(await freeAt(bob.address), receiverBefore + amount);
    // Fees are burned: what Alice has lost is exactly what she sent and the fee.
    assert.equal(await freeAt(alice.address), senderBefore - amount - fee.toBigInt());
  });

  test('a failing call costs its fee, changes nothing else and names its error', async () => {
    const tooMuch = (await freeBalance(api, bob.address)) * 2n;
    await assert.rejects(
      submit(api, bob, api.tx.balances.transferKeepAlive(alice.address, tooMuch)),
      /FundsUnavailable|Funds are unavailable|InsufficientBalance/,
    );
  });

  test('subscribes to storage', async () => {
    const seen = [];
    const stop = await api.query.system.number((number) => seen.push(number.toNumber()));
    await until('three block numbers', () => seen.length >= 3, { timeoutMs: seconds(60) });
    stop();
    assert.ok(seen[2] > seen[0]);
  });

  test('fees asked in advance are the fees paid', async () => {
    const call = api.tx.balances.transferKeepAlive(bob.address, CRN);
    const { partialFee } = await call.paymentInfo(alice);
    const { events } = await submit(api, alice, call, { until: 'inBlock' });
    const paid = events.find(({ event }) => event.method === 'TransactionFeePaid').event.data[1];
    assert.equal(paid.toBigInt(), partialFee.toBigInt());
  });

  test('a batch either happens as a whole or not at all', async () => {
    const receiver = (await devAccount('Batch//Receiver')).address;
    const good = api.tx.balances.transferKeepAlive(receiver, CRN);
    const bad = api.tx.balances.transferKeepAlive(receiver, 2n ** 100n);
    await assert.rejects(submit(api, alice, api.tx.utility.batchAll([good, bad]), { until: 'inBlock' }));
    assert.equal(await freeBalance(api, receiver), 0n);
    await submit(api, alice, api.tx.utility.batchAll([good, good]), { until: 'inBlock' });
    assert.equal(await freeBalance(api, receiver), 2n * CRN);
  });

  for (const version of [14, 15, 16]) {
    test(`the runtime gives metadata version ${version}`, async () => {
      const versions = (await api.call.metadata.metadataVersions()).map(Number);
      assert.ok(versions.includes(version), `versions offered: ${versions}`);
      const metadata = await api.call.metadata.metadataAtVersion(version);
      assert.ok(metadata.isSome);
      // "meta", then the version: what is inside says the same as what was asked for.
      const bytes = metadata.unwrap().toU8a(true);
      assert.equal(Buffer.from(bytes.subarray(0, 4)).toString(), 'meta');
      assert.equal(bytes[4], version);
    });
  }

  test('a transaction that commits to the metadata hash is accepted, one with a wrong hash is refused', async () => {
    const { specVersion, specName } = api.runtimeVersion;
    const opaque = (await api.call.metadata.metadataAtVersion(15)).unwrap();
    const digest = merkleizeMetadata(opaque.toU8a(true), {
      decimals: 12, tokenSymbol: 'CRN', base58Prefix: 42,
      specName: specName.toString(), specVersion: specVersion.toNumber(),
    }).digest();
    const send = (metadataHash) => new Promise((resolve, reject) => {
      api.tx.balances.transferKeepAlive(bob.address, CRN)
        .signAndSend(alice, { mode: 1, metadataHash, withSignedTransaction: true }, ({ status, dispatchError }) => {
          if (dispatchError) reject(new Error(String(dispatchError)));
          else if (status.isInBlock) resolve(status.asInBlock);
          else if (status.isInvalid || status.isDropped) reject(new Error(status.toString()));
        }).catch(reject);
    });
    await assert.rejects(send(`0x${'01'.repeat(32)}`), /1010.*bad signature/i);
    await send(u8aToHex(digest));
  });
});
