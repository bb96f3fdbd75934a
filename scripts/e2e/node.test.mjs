// SPDX-License-Identifier: Apache-2.0
// What an operator uses beside the plain node: metrics, the other database, purging, keys, the disk's limit.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Network } from './lib/network.mjs';
import { binary } from './lib/paths.mjs';
import { freePorts } from './lib/ports.mjs';
import { seconds, until } from './lib/wait.mjs';

const run = promisify(execFile);

describe('operating a node', { timeout: seconds(300) }, () => {
  let network;
  let validator;
  let metricsPort;

  before(async () => {
    [metricsPort] = await freePorts(1);
    network = await Network.dev({
      quiet: ['--no-mdns', '--no-telemetry', '--prometheus-port', String(metricsPort)],
    });
    [validator] = network.nodes;
  });

  after(async () => {
    await network?.close();
  });

  test('Prometheus metrics tell the height', async () => {
    await validator.waitFinalized(2);
    // The node brings them up to date every few seconds.
    await until('the finalized height is there', async () => {
      const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
      assert.equal(response.status, 200);
      const heights = [...(await response.text()).matchAll(/^substrate_block_height\{.*status="finalized".*\} (\d+)$/gm)];
      assert.equal(heights.length, 1);
      return Number(heights[0][1]) >= 2;
    }, { timeoutMs: seconds(60) });
  });

  test('a node with ParityDb joins, and has the same chain; purged, it has it again', async () => {
    const late = await network.add({
      name: 'late',
      args: ['--chain', network.spec, '--database', 'paritydb', ...(await network.join())],
    });
    const target = await validator.finalizedNumber();
    await late.waitFinalized(target);
    assert.equal(await late.call('chain_getBlockHash', target), await validator.call('chain_getBlockHash', target));
    assert.ok(existsSync(join(late.basePath, 'chains', 'cairn_dev', 'paritydb')), readdirSync(late.basePath).join());

    await late.stop();
    const purge = ['purge-chain', '-y', '--chain', network.spec, '--base-path', late.basePath, '--database', 'paritydb'];
    const { stderr, stdout } = await run(binary('cairn-node'), purge);
    assert.match(`${stdout}${stderr}`, /removed/i);
    await late.restart();
    await late.waitFinalized(target);
    await late.kill();
  });

  test('a key made by `key generate` is inserted into a keystore, and the node has it', async () => {
    const { stdout } = await run(binary('cairn-node'), ['key', 'generate', '--scheme', 'sr25519', '--output-type', 'json']);
    const { secretPhrase, publicKey } = JSON.parse(stdout);
    const keyFile = network.file('phrase', secretPhrase);
    const basePath = join(network.dir, 'keyed');
    await run(binary('cairn-node'), [
      'key', 'insert', '--base-path', basePath, '--chain', network.spec, '--scheme', 'sr25519', '--key-type', 'babe',
      '--suri', keyFile,
    ]);
    const keyed = await network.add({ name: 'keyed', basePath, args: ['--chain', network.spec, ...(await network.join())] });
    assert.equal(await keyed.call('author_hasKey', publicKey, 'babe'), true);
    assert.equal(await keyed.call('author_hasKey', publicKey, 'gran'), false);
  });

  test('with less disk than it is told to leave free, a node refuses to start', async () => {
    await assert.rejects(
      network.start({ name: 'large', args: ['--chain', network.spec, '--db-storage-threshold', '999999999'] }),
      /disk of the database .* is nearly full/,
    );
  });
});
