// SPDX-License-Identifier: Apache-2.0
// A gateway that believes no node: a light client in it verifies finality and state.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Cli, EXIT } from './lib/cli.mjs';
import { Gateway } from './lib/gateway.mjs';
import { Network } from './lib/network.mjs';
import { seconds, until } from './lib/wait.mjs';

const AS_ALICE = ['--account', '//Alice', '--yes'];
const AS_BOB = ['--account', '//Bob', '--yes'];
/** Where no node listens: whoever asks one fails. */
const NOWHERE = 'ws://127.0.0.1:9';

describe('a gateway in light mode', { timeout: seconds(600) }, () => {
  let network;
  let cli;
  let gateway;

  before(async () => {
    network = await Network.local();
    const [alice] = network.nodes;
    cli = new Cli({ dir: network.dir, url: alice.url });
    await alice.waitFinalized(3);
    await cli.ok('name', 'register', 'before', '--years', '1', '--a', '192.0.2.1', '--record', 'www CNAME before.cairn.', ...AS_ALICE);
    const bootnodes = await Promise.all(network.nodes.map((node) => node.address()));
    gateway = await Gateway.start(network, cli, {
      url: NOWHERE, args: ['--light', network.spec, ...bootnodes.flatMap((address) => ['--bootnode', address])],
    });
  });

  after(async () => {
    await gateway?.process.kill();
    await network?.close();
  });

  test('answers what was registered before it started, without any node at --url', async () => {
    assert.deepEqual(await gateway.answer('www.before.cairn', 'A'), ['192.0.2.1', 'before.cairn.']);
    assert.equal(await gateway.status('nothing.cairn', 'A'), 'NXDOMAIN');
  });

  test('follows what is registered, changed and cleared', async () => {
    await cli.ok('name', 'register', 'later', '--years', '1', '--a', '192.0.2.2', ...AS_BOB);
    await until('the new name', async () => (await gateway.answer('later.cairn', 'A'))[0] === '192.0.2.2');
    await cli.ok('name', 'set', 'later', 'A', '192.0.2.3', ...AS_BOB);
    await until('the change', async () => (await gateway.answer('later.cairn', 'A'))[0] === '192.0.2.3');
    await cli.ok('name', 'clear', 'later', 'A', ...AS_BOB);
    await until('the removal', async () => (await gateway.answer('later.cairn', 'A')).length === 0);
  });

  test('goes on after the nodes that it knew were away', async () => {
    for (const node of network.nodes) await node.kill('SIGKILL');
    assert.deepEqual(await gateway.answer('before.cairn', 'A'), ['192.0.2.1']);
    await Promise.all(network.nodes.map((node) => node.restart()));
    await cli.ok('name', 'set', 'before', 'A', '192.0.2.9', ...AS_ALICE);
    await until('the change', async () => (await gateway.answer('before.cairn', 'A'))[0] === '192.0.2.9', { timeoutMs: seconds(180) });
  });

  test('a specification that it can not verify from is refused, and how to mend it is said', async () => {
    const spec = JSON.parse(readFileSync(network.spec, 'utf8'));
    const alone = network.file('alone.json', JSON.stringify({ ...spec, bootNodes: [] }));
    const readable = network.file('readable.json', JSON.stringify({ ...spec, genesis: { runtimeGenesis: {} } }));
    for (const [file, reason] of [[alone, /boot nodes/], [readable, /--raw/], [network.file('bad.json', '{'), /JSON/]]) {
      const { code, stdout, stderr } = await cli.run('gateway', '--light', file);
      assert.equal(code, EXIT.usage, stderr);
      assert.match(stdout + stderr, reason);
    }
  });
});
