// SPDX-License-Identifier: Apache-2.0
// What is agreed on ends: a drive that is no longer paid for, a grant whose time is over, an ownership, a link. And what is public
// stays so.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cli, EXIT } from './lib/cli.mjs';
import { hashOf, MIB, randomFile } from './lib/files.mjs';
import { Network } from './lib/network.mjs';
import { blocks, bondsOf, startVaults } from './lib/vaults.mjs';
import { seconds, until } from './lib/wait.mjs';

const as = (who) => ['--account', `//${who}`, '--yes'];

describe('storage and its terms', { timeout: seconds(1200) }, () => {
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

  test('a drive that is given away is the new owner\'s alone, from its recovery phrase, on any machine', async () => {
    const drive = await make('heritage');
    randomFile(file('old'), 3 * MIB + 11);
    await cli.ok('put', file('old'), `${drive}:/old`, ...as('Alice'));
    await cli.ok('share', 'accept', ...as('Bob'));
    await cli.ok('share', String(drive), '//Bob', '--role', 'writer', ...as('Alice'));

    // The new owner has nothing but a phrase, and says first that drives may be sealed to it.
    const heirs = new Cli({ dir: file('heirs'), url: cli.url });
    mkdirSync(file('heirs'));
    const { address: heir } = await heirs.ok('account', 'new', 'heir', '--phrase-file', file('phrase'));
    const heirsArgs = ['--account', 'heir', '--yes'];
    const give = (to) => cli.run('drive', 'transfer', String(drive), '--to', to, ...as('Alice'));
    const unable = await give(heir);
    assert.equal(unable.code, EXIT.refused, unable.stderr);
    assert.match(unable.stderr, /has published no key[^]*share accept/);
    assert.match((await give('//Alice')).stderr, /already/);
    const stolen = await cli.run('drive', 'transfer', String(drive), '--to', '//Bob', ...as('Bob'));
    assert.equal(stolen.code, EXIT.refused);
    await cli.ok('account', 'send', heir, '100', ...as('Alice'));
    await heirs.ok('share', 'accept', ...heirsArgs);
    await cli.ok('share', String(drive), '--public', ...as('Alice'));
    assert.match((await give(heir)).stderr, /public[^]*unshare/);
    await cli.ok('unshare', String(drive), '--public', ...as('Alice'));
    const before = (await cli.ok('drive', 'status', String(drive))).key_generation;

    const given = await give(heir);
    assert.equal(given.code, EXIT.done, given.stderr);
    assert.equal(given.json.shared_with, 1, 'Bob, who keeps what he could read');
    const status = await cli.ok('drive', 'status', String(drive));
    assert.deepEqual([status.owner, status.key_generation], [heir, before + 1]);
    assert.equal((await cli.ok('drive', 'list', ...as('Alice'))).drives.some((found) => found.drive === drive), false);

    // Another machine of the new owner, which knows the phrase alone.
    const fresh = new Cli({ dir: file('fresh'), url: cli.url });
    mkdirSync(file('fresh'));
    await fresh.ok('account', 'import', 'me', '--phrase-file', file('phrase'));
    const mine = ['--account', 'me', '--yes'];
    const listed = (await fresh.ok('drive', 'list', ...mine)).drives;
    assert.deepEqual(listed.map((found) => [found.drive, found.own]), [[drive, true]]);
    const names = async () => (await fresh.ok('ls', 'heritage:/', ...mine)).entries.map((entry) => entry.name);
    assert.deepEqual(await names(), ['old']);
    await fresh.ok('get', `${drive}:/old`, file('old-again'), ...mine);
    assert.equal(await hashOf(file('old-again')), await hashOf(file('old')));
    writeFileSync(file('new'), 'the heir\'s');
    await fresh.ok('put', file('new'), `${drive}:/new`, ...mine);
    assert.deepEqual((await names()).sort(), ['new', 'old']);

    // The former owner and its writer neither write nor read what is new.
    for (const who of ['Alice', 'Bob']) {
      const write = await cli.run('put', file('new'), `${drive}:/by${who}`, ...as(who));
      assert.notEqual(write.code, EXIT.done, who);
      const read = await cli.run('get', `${drive}:/new`, file(`read-by-${who}`), ...as(who));
      assert.notEqual(read.code, EXIT.done, who);
      assert.equal(existsSync(file(`read-by-${who}`)), false);
    }
    assert.equal((await cli.ok('drive', 'status', String(drive))).version, status.version + 1);

    // The new owner shares it anew, reads and all, and takes it back.
    await fresh.ok('share', String(drive), '//Bob', '--role', 'writer', ...mine);
    for (const name of ['old', 'new']) {
      await cli.ok('get', `${drive}:/${name}`, file(`bobs-${name}`), ...as('Bob'));
      assert.equal(await hashOf(file(`bobs-${name}`)), await hashOf(file(name)));
    }
    writeFileSync(file('bobs'), 'Bob writes too');
    await cli.ok('put', file('bobs'), `${drive}:/bobs`, ...as('Bob'));
    await fresh.ok('unshare', String(drive), '//Bob', ...mine);
    writeFileSync(file('new'), 'not for Bob');
    await fresh.ok('put', file('new'), `${drive}:/closed`, ...mine);
    assert.notEqual((await cli.run('get', `${drive}:/closed`, file('bobs-closed'), ...as('Bob'))).code, EXIT.done);
    // The first machine of the new owner: the key was turned twice, and opens all that was ever written.
    assert.deepEqual((await heirs.ok('ls', `${drive}:/`, ...heirsArgs)).entries.length, 4);
    for (const name of ['old', 'closed', 'bobs']) await heirs.ok('get', `${drive}:/${name}`, file(`heirs-${name}`), ...heirsArgs);
    assert.equal(await hashOf(file('heirs-old')), await hashOf(file('old')));
    assert.match((await fresh.run('share', String(drive), '--public', ...mine)).stderr, /another owner/);

    // It goes on: to a third, with the keys of both before.
    await cli.ok('share', 'accept', ...as('Charlie'));
    await fresh.ok('drive', 'transfer', String(drive), '--to', (await cli.ok('account', 'show', '//Charlie')).address, ...mine);
    for (const name of ['old', 'new', 'closed']) {
      await cli.ok('get', `${drive}:/${name}`, file(`third-${name}`), ...as('Charlie'));
    }
    assert.equal(await hashOf(file('third-old')), await hashOf(file('old')));
    await cli.ok('put', file('bobs'), `${drive}:/third`, ...as('Charlie'));
    assert.notEqual((await fresh.run('get', `${drive}:/third`, file('heirs-third'), ...mine)).code, EXIT.done);
    await cli.ok('drive', 'close', String(drive), ...as('Charlie'));
  });

  test('a link whose file was moved by a trim says so, and what to do', async () => {
    const drive = await make();
    writeFileSync(file('linked'), 'for a while');
    await cli.ok('put', file('linked'), `${drive}:/linked`, ...as('Alice'));
    const { link } = await cli.ok('share', '--link', `${drive}:/linked`, ...as('Alice'));
    const stranger = new Cli({ dir: file('stranger-of-trim'), url: cli.url });
    await stranger.ok('get', link, file('by-live-link'));
    await cli.ok('drive', 'trim', String(drive), '--all', ...as('Alice'));
    // The vaults give it up when they see the trim.
    const dead = await until('the link is dead', async () => {
      const tried = await stranger.run('get', link, file('by-dead-link'));
      return tried.code !== EXIT.done && tried;
    }, { timeoutMs: blocks(20), everyMs: 1000 });
    assert.equal(dead.code, EXIT.failed, dead.stderr);
    assert.match(dead.stderr, /trimmed[^]*new link/);
    const anew = await cli.ok('share', '--link', `${drive}:/linked`, ...as('Alice'));
    await stranger.ok('get', anew.link, file('by-new-link'));
    assert.equal(readFileSync(file('by-new-link'), 'utf8'), 'for a while');
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
