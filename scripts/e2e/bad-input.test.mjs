// SPDX-License-Identifier: Apache-2.0
// What strangers can send to an RPC port: refused with the standard errors, and the node lives on.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import WebSocket from 'ws';
import { CRN, connect, devAccount } from './lib/chain.mjs';
import { Network } from './lib/network.mjs';
import { Rpc, post, postDeclaring } from './lib/rpc.mjs';
import { seconds, until, within } from './lib/wait.mjs';

// JSON-RPC 2.0, and jsonrpsee's own.
const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
const OVERSIZED_REQUEST = -32007;
// The author_* methods of every Substrate node.
const OTHER_ERROR = 1040;
const VERIFICATION_ERROR = 1002;
const INVALID_TRANSACTION = 1010;
const ALREADY_IMPORTED = 1013;
const POOL_FULL = 1016;

const MAX_CONNECTIONS = 100; // the node's default
const POOL_LIMIT = 20;

describe('bad input', { timeout: seconds(300) }, () => {
  let network;
  let node;
  let api;
  let alice;
  let bob;

  before(async () => {
    network = await Network.dev({ args: ['--pool-limit', String(POOL_LIMIT)] });
    [node] = network.nodes;
    api = await connect(node.url);
    alice = await devAccount('Alice');
    bob = await devAccount('Bob');
  });

  after(async () => {
    await api?.disconnect();
    await network?.close();
  });

  afterEach(async () => {
    assert.ok(node.alive, `the node ended\n${node.process.tail()}`);
    assert.ok(await within('an answer', node.call('system_health')));
    assert.ok(!/Thread '.*' panicked/.test(node.process.output()), node.process.tail());
  });

  const transfer = (amount) => api.tx.balances.transferKeepAlive(bob.address, amount);
  const nextNonce = async (account) => (await api.rpc.system.accountNextIndex(account.address)).toNumber();
  const sign = (account, { amount = CRN, ...options }) => transfer(amount).sign(account, {
    blockHash: api.genesisHash, genesisHash: api.genesisHash, runtimeVersion: api.runtimeVersion, era: 0, ...options,
  }).toHex();
  const refused = (extrinsic, code, message) => assert.rejects(
    node.call('author_submitExtrinsic', extrinsic),
    (error) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    },
  );

  describe('transactions', () => {
    test('bytes that are no transaction', async () => {
      await refused('0x', OTHER_ERROR, /decode/i);
      await refused('0xdeadbeef', OTHER_ERROR, /decode/i);
      await assert.rejects(node.call('author_submitExtrinsic', 'not hex'), { code: INVALID_PARAMS });
    });

    test('well-framed bytes that the runtime cannot decode', async () => {
      // A length prefix that is right, then noise.
      await refused(`0x28${'84ff'.repeat(5)}`, VERIFICATION_ERROR, /./);
      // A good transaction whose last byte is cut off, with its length corrected.
      const good = Buffer.from(sign(alice, { nonce: await nextNonce(alice) }).slice(2), 'hex');
      const body = good.subarray(2, good.length - 1);
      const length = Buffer.alloc(2);
      length.writeUInt16LE((body.length << 2) | 1);
      await refused(`0x${Buffer.concat([length, body]).toString('hex')}`, VERIFICATION_ERROR, /./);
    });

    test('a bad signature', async () => {
      const good = Buffer.from(sign(alice, { nonce: await nextNonce(alice) }).slice(2), 'hex');
      good[60] ^= 1;
      await refused(`0x${good.toString('hex')}`, INVALID_TRANSACTION, /bad signature/);
    });

    test('signed for another chain', async () => {
      const other = `0x${'42'.repeat(32)}`;
      const nonce = await nextNonce(alice);
      await refused(sign(alice, { nonce, genesisHash: other, blockHash: other }), INVALID_TRANSACTION, /bad signature/);
    });

    test('signed for another runtime version', async () => {
      const runtimeVersion = { specVersion: 1, transactionVersion: 1 };
      await refused(sign(alice, { nonce: await nextNonce(alice), runtimeVersion }), INVALID_TRANSACTION, /bad signature/);
    });

    test('an account without funds', async () => {
      const poor = await devAccount('Poor//As//A//Mouse');
      await refused(sign(poor, { nonce: 0 }), INVALID_TRANSACTION, /pay some fees/);
    });

    test('a nonce that was used', async () => {
      const nonce = await nextNonce(alice);
      await node.call('author_submitExtrinsic', sign(alice, { nonce }));
      await until('the transfer is in a block', async () =>
        (await api.query.system.account(alice.address)).nonce.toNumber() > nonce);
      await refused(sign(alice, { nonce, amount: 2n * CRN }), INVALID_TRANSACTION, /outdated|stale/i);
    });

    test('a nonce of the future waits and is not executed; the same again is known', async () => {
      const nonce = await nextNonce(bob);
      const future = sign(bob, { nonce: nonce + 1 });
      await node.call('author_submitExtrinsic', future);
      await refused(future, ALREADY_IMPORTED, /already/i);
      await node.waitBest(await node.bestNumber() + 2);
      assert.equal((await api.query.system.account(bob.address)).nonce.toNumber(), nonce);
      // Once the gap is filled, both are executed.
      await node.call('author_submitExtrinsic', sign(bob, { nonce }));
      await until('both transfers are in blocks', async () =>
        (await api.query.system.account(bob.address)).nonce.toNumber() === nonce + 2);
    });

    test('more than the pool holds', async () => {
      const nonce = await nextNonce(alice);
      const many = Array.from({ length: POOL_LIMIT * 10 }, (_, i) => sign(alice, { nonce: nonce + i }));
      const answers = await Promise.allSettled(many.map((xt) => node.call('author_submitExtrinsic', xt)));
      const errors = answers.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
      assert.ok(errors.length > 0, 'some are refused');
      assert.ok(errors.length < many.length, 'some are accepted');
      for (const error of errors) assert.equal(error.code, POOL_FULL, error.message);
      // What was accepted is executed, and then there is room again.
      await until('the pool is empty', async () => (await node.call('author_pendingExtrinsics')).length === 0);
      await until('a new transfer is accepted', async () =>
        node.call('author_submitExtrinsic', sign(alice, { nonce: await nextNonce(alice) })));
    });
  });

  describe('requests', () => {
    const request = (body) => post(node.httpUrl, body);
    const errorCode = async (body) => JSON.parse((await request(body)).text).error?.code;

    test('no JSON, other JSON, unknown methods, wrong parameters', async () => {
      assert.equal(await errorCode('{"jsonrpc":'), PARSE_ERROR);
      assert.equal(await errorCode('\u0000\u0001\u0002'), PARSE_ERROR);
      assert.equal(await errorCode('{"id":1,"unknown":"shape"}'), INVALID_REQUEST);
      assert.equal(await errorCode('{"jsonrpc":"2.0","id":1,"method":"no_such"}'), METHOD_NOT_FOUND);
      assert.equal(await errorCode('{"jsonrpc":"2.0","id":1,"method":"chain_getBlockHash","params":["x",{}]}'), INVALID_PARAMS);
      assert.equal(await errorCode('[]'), INVALID_REQUEST);
    });

    test('JSON nested a hundred thousand deep', async () => {
      const deep = '['.repeat(100_000) + ']'.repeat(100_000);
      const [batch] = JSON.parse((await request(deep)).text);
      assert.equal(batch.error.code, INVALID_REQUEST);
      const inside = `{"jsonrpc":"2.0","id":1,"method":"state_getStorage","params":${deep}}`;
      assert.equal(await errorCode(inside), INVALID_PARAMS);
    });

    test('a body of more than the 15 MiB that are allowed, over HTTP', async () => {
      const { status, text } = await postDeclaring(node.httpUrl, 16 * 1024 * 1024);
      assert.equal(status, 413);
      assert.match(text, /too big|size exceeds|too large/i);
    });

    test('a message of more than the 15 MiB that are allowed, over WebSocket', async () => {
      const socket = new WebSocket(node.url);
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
      const ended = new Promise((resolve) => {
        socket.once('message', (data) => resolve(JSON.parse(data).error.code));
        socket.once('close', () => resolve(OVERSIZED_REQUEST));
        socket.once('error', () => {});
      });
      socket.send(`{"jsonrpc":"2.0","id":1,"method":"system_health","params":["${'a'.repeat(16 * 1024 * 1024)}"]}`);
      assert.equal(await within('the refusal', ended), OVERSIZED_REQUEST);
      socket.terminate();
    });

    test('a GET is not served', async () => {
      assert.equal((await fetch(node.httpUrl)).status, 405);
    });
  });

  test('a thousand idle connections: those past the limit are refused, the others are served', async () => {
    const sockets = [];
    const open = () => new Promise((resolve) => {
      const socket = new WebSocket(node.url);
      sockets.push(socket);
      socket.on('error', () => {});
      socket.once('open', () => resolve('open'));
      socket.once('unexpected-response', (_, response) => {
        response.resume();
        resolve(response.statusCode);
      });
      socket.once('close', () => resolve('closed'));
    });
    try {
      const outcomes = await within('a thousand connections', Promise.all(Array.from({ length: 1000 }, open)), seconds(60));
      const opened = outcomes.filter((outcome) => outcome === 'open').length;
      assert.ok(opened > 0 && opened < MAX_CONNECTIONS, `${opened} were opened`);
      assert.ok(outcomes.includes(429), `no connection was told why: ${[...new Set(outcomes)]}`);
      // Those who were there first are served all the time.
      assert.ok(await within('an answer', node.call('system_health')));
    } finally {
      for (const socket of sockets) socket.terminate();
    }
    const fresh = await until('a new connection is accepted', () => Rpc.connect(node.url));
    assert.ok(await fresh.call('system_health'));
    fresh.close();
  });

  test('after all this, blocks are made and finalized', async () => {
    await node.waitFinalized(await node.bestNumber() + 2);
  });
});
