// SPDX-License-Identifier: Apache-2.0
// What is agreed on ends: a drive that is no longer paid for, a grant whose time is over. And what is public stays so.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cli, EXIT } from './lib/cli.mjs';
import { hashOf, MIB, randomFile } from './lib/files.mjs';
import { Network } from './lib/network.mjs';
import { blocks, bondsOf, startVaults } from './lib/vaults.mjs';
import { seconds, until } from './lib/wait.mjs';

const as = (who) => ['--account', `//${who}`, '--yes'];

describe('storage and its terms', { timeout: seconds(600) }, () => {
  let network;
  let node;
  let cli;
  let vaults;

  const file = (name) => join(network.dir, name);
  const make = async (...args) => (await cli.ok('drive', 'create', '--capacity', '32MiB', ...args, ...as('Alice'))).drive;

  before(async () => {
    network = await Network.dev();
    [node] = network.nodes;
    await node.waitFinalized(2);
    cli = new Cli({ dir: network.dir, url: node.url });
    vaults = await startVaults(network, cli, 4);
  });

  after(async () => {
    await Promise.all((vaults ?? []).map((vault) => vault.kill()));
    await network?.close();
  });

  test('a grant ends with the block that it was given until', async () => {
    const drive = await make();
    writeFileSync(file('note'), 'for Bob, for a while');
    await cli.ok('put', file('note'), `${drive}:/note`, ...as('Alice'));
    await cli.ok('share', 'accept', ...as('Bob'));
    // Some 45 s: enough to read and to write once.
    const until_ = (await node.bestNumber()) + 15;
    await cli.ok('share', String(drive), '//Bob', '--role', 'writer', '--until', String(until_), ...as('Alice'));
    await cli.ok('get', `${drive}:/note`, file('bobs'), ...as('Bob'));
    assert.equal(readFileSync(file('bobs'), 'utf8'), 'for Bob, for a while');
    writeFileSync(file('answer'), 'from Bob');
    await cli.ok('put', file('answer'), `${drive}:/answer`, ...as('Bob'));
    assert.ok(await node.bestNumber() <= until_, 'the grant was meant to last for this long');

    await node.waitFinalized(until_ + 1, { timeoutMs: blocks(40) });
    const { version } = await cli.ok('drive', 'status', String(drive));
    const write = await cli.run('put', file('note'), `${drive}:/late`, ...as('Bob'));
    assert.notEqual(write.code, EXIT.done);
    assert.match(write.stderr, /grant|expired|ended|shared|may/i);
    const read = await cli.run('get', `${drive}:/note`, file('bobs-late'), ...as('Bob'));
    assert.notEqual(read.code, EXIT.done, 'the tool no longer opens what it was given the key for');
    assert.equal(existsSync(file('bobs-late')), false);
    // What Bob wrote in time is there.
    assert.equal((await cli.ok('drive', 'status', String(drive))).version, version);
    await cli.ok('get', `${drive}:/answer`, file('answered'), ...as('Alice'));
    assert.equal(readFileSync(file('answered'), 'utf8'), 'from Bob');
  });

  test('a public drive is read by anybody who knows its number, without an account of theirs in it', async () => {
    const drive = await make();
    randomFile(file('open'), 2 * MIB + 5);
    await cli.ok('put', file('open'), `${drive}:/open`, ...as('Alice'));
    const closed = await cli.run('get', `${drive}:/open`, file('too-early'), ...as('Charlie'));
    assert.notEqual(closed.code, EXIT.done);
    await cli.ok('share', String(drive), '--public', ...as('Alice'));
    await cli.ok('get', `${drive}:/open`, file('got-open'), ...as('Charlie'));
    assert.equal(await hashOf(file('got-open')), await hashOf(file('open')));
    const write = await cli.run('put', file('open'), `${drive}:/mine`, ...as('Charlie'));
    assert.notEqual(write.code, EXIT.done, 'public is not writable');
    // A link needs no account at all.
    const { link } = await cli.ok('share', '--link', `${drive}:/open`, ...as('Alice'));
    const stranger = new Cli({ dir: file('stranger'), url: cli.url });
    await stranger.ok('get', link, file('got-by-link'));
    assert.equal(await hashOf(file('got-by-link')), await hashOf(file('open')));
  });

  test('a drive that runs dry ends in the block for which it no longer pays, and frees its vaults', async () => {
    const before = await Promise.all(vaults.map((vault) => vault.status()));
    const bonds = await bondsOf(vaults);
    // Little more than a period of the whole capacity costs, which is the least that is taken.
    const drive = await make('--price', '0.01', '--escrow', '0.0013');
    randomFile(file('doomed'), 28 * MIB);
    await cli.ok('put', file('doomed'), `${drive}:/doomed`, ...as('Alice'));
    const { dry_block: dry } = await cli.ok('drive', 'status', String(drive));
    assert.ok(dry > 0, 'it costs something');
    await node.waitBest(dry - 6, { timeoutMs: blocks(60) });
    assert.equal((await cli.run('drive', 'status', String(drive))).code, EXIT.done, 'it lives as long as it pays');
    await node.waitFinalized(dry + 1, { timeoutMs: blocks(20) });
    const ended = await cli.run('drive', 'status', String(drive));
    assert.notEqual(ended.code, EXIT.done);
    assert.match(ended.stderr, new RegExp(`drive ${drive}`));
    const read = await cli.run('get', `${drive}:/doomed`, file('undead'), ...as('Alice'));
    assert.notEqual(read.code, EXIT.done);
    assert.match(read.stderr, new RegExp(`drive ${drive}`));
    await until('its vaults are free of it', async () => {
      const now = await Promise.all(vaults.map((vault) => vault.status()));
      return now.every((vault, i) => vault.slots === before[i].slots);
    }, { timeoutMs: blocks(20) });
    assert.deepEqual(await bondsOf(vaults), bonds);
  });
});
