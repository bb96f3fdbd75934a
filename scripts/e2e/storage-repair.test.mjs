// SPDX-License-Identifier: Apache-2.0
// Vaults that are killed in the middle of rebuilding a slot.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cli } from './lib/cli.mjs';
import { hashOf, MIB, randomFile } from './lib/files.mjs';
import { Network } from './lib/network.mjs';
import { blocks, bondsOf, keeperOf, startVaults } from './lib/vaults.mjs';
import { seconds, sleep, until } from './lib/wait.mjs';

const AS_ALICE = ['--account', '//Alice', '--yes'];

describe('repair', { timeout: seconds(600) }, () => {
  let network;
  let cli;
  let vaults;
  let bonds;
  let drive;

  const file = (name) => join(network.dir, name);
  const status = () => cli.ok('drive', 'status', String(drive));

  before(async () => {
    network = await Network.dev();
    const [node] = network.nodes;
    await node.waitFinalized(2);
    cli = new Cli({ dir: network.dir, url: node.url });
    vaults = await startVaults(network, cli, 6);
    bonds = await bondsOf(vaults);
    drive = (await cli.ok('drive', 'create', '--capacity', '128MiB', ...AS_ALICE)).drive;
  });

  after(async () => {
    await Promise.all((vaults ?? []).map((vault) => vault.kill()));
    await network?.close();
  });

  test('a vault that is killed while it rebuilds goes on, again and again', async () => {
    randomFile(file('big'), 80 * MIB);
    await cli.ok('put', file('big'), `${drive}:/big`, ...AS_ALICE);
    // Moments that follow from a seed, counted from when it began to read.
    const moments = [1, 2, 3].map((round) => createHash('sha256').update(`rebuild/${round}`).digest().readUInt16LE() % 600);
    const { slots } = await status();
    const gone = await keeperOf(vaults, slots[1]);
    const rebuilt = async () => {
      const now = (await status()).slots;
      return now[1].vault !== slots[1].vault && now.every(({ state }) => state === 'healthy');
    };
    await gone.kill();
    const others = vaults.filter((vault) => vault !== gone);
    let killed = 0;
    for (const moment of moments) {
      const begun = await Promise.all(others.map((vault) => vault.metric('repair_bytes_total')));
      const rebuilding = await until('a vault rebuilds, or has', async () => {
        const now = await Promise.all(others.map((vault) => vault.metric('repair_bytes_total')));
        const at = now.findIndex((bytes, i) => bytes > begun[i]);
        return at >= 0 ? others[at] : await rebuilt() && 'done';
      }, { timeoutMs: blocks(160), everyMs: 50 });
      if (rebuilding === 'done') break;
      await sleep(moment);
      await rebuilding.kill();
      await rebuilding.start();
      killed += 1;
    }
    assert.ok(killed > 0, 'somebody was killed while it rebuilt');
    await until('four copies again', rebuilt, { timeoutMs: blocks(160), everyMs: 1000 });
    const heir = await keeperOf(vaults, (await status()).slots[1]);
    const log = (vault) => join(vault.data, 'store', 'logs', `${drive}-1.log`);
    // With one data shard all logs are alike: what was rebuilt is what the vault that was killed had.
    assert.equal(statSync(log(heir)).size, statSync(log(gone)).size);
    assert.equal(await hashOf(log(heir)), await hashOf(log(gone)));
    await cli.ok('get', `${drive}:/big`, file('got'), ...AS_ALICE);
    assert.equal(await hashOf(file('got')), await hashOf(file('big')));
    const now = await bondsOf(others);
    others.forEach((vault, i) => assert.equal(now[i], bonds[vaults.indexOf(vault)], `${vault.name} was slashed`));
  });
});
