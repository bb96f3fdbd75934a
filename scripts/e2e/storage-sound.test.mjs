// SPDX-License-Identifier: Apache-2.0
// What users' folders and machines are really like, and what others may try with a drive: nothing is lost, removed or given away silently.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cli, EXIT } from './lib/cli.mjs';
import { hashOf, MIB, randomFile } from './lib/files.mjs';
import { Network } from './lib/network.mjs';
import { binary } from './lib/paths.mjs';
import { keeperOf, startVaults } from './lib/vaults.mjs';
import { seconds, sleep, until } from './lib/wait.mjs';

const AS_ALICE = ['--account', '//Alice', '--yes'];
const AS_BOB = ['--account', '//Bob', '--yes'];

describe('storage that is sound', { timeout: seconds(900) }, () => {
  let network;
  let cli;
  let vaults;
  let drive;

  const file = (name) => join(network.dir, name);
  const put = (...args) => cli.ok('put', ...args, ...AS_ALICE);
  const get = (...args) => cli.ok('get', ...args, ...AS_ALICE);
  const names = async (path) => (await cli.ok('ls', '-R', `${drive}:${path}`, ...AS_ALICE)).entries.map(({ name }) => name).sort();
  /** Runs a command without waiting for its end. */
  const begin = (...args) => {
    const child = spawn(binary('cairn'), ['--url', cli.url, '--json', ...args], { env: cli.env, stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = new Promise((resolve) => { child.once('exit', (code, signal) => resolve(code ?? signal)); });
    return { child, ended };
  };
  const partsIn = (folder) => (existsSync(folder) ? readdirSync(folder) : []).filter((name) => name.endsWith('.part'));

  before(async () => {
    network = await Network.dev();
    const [node] = network.nodes;
    await node.waitFinalized(2);
    cli = new Cli({ dir: network.dir, url: node.url });
    vaults = await startVaults(network, cli, 5, { capacity: '2GiB' });
    drive = (await cli.ok('drive', 'create', 'main', '--capacity', '1GiB', ...AS_ALICE)).drive;
  });

  after(async () => {
    await Promise.all((vaults ?? []).map((vault) => vault.kill()));
    await network?.close();
  });

  test('two downloads of one file into one folder, one of them killed, leave a whole file or none', async () => {
    const path = randomFile(file('film'), 200 * MIB);
    await put(path, `${drive}:/film`);
    const whole = await hashOf(path);
    mkdirSync(file('out'));
    for (const killAfterMs of [5, 60, 250]) {
      const first = begin('get', `${drive}:/film`, file('out/film'), ...AS_ALICE);
      const written = () => partsIn(file('out')).some((name) => statSync(join(file('out'), name), { throwIfNoEntry: false })?.size > 20 * MIB);
      await until('some of it is there', async () => written() || existsSync(file('out/film')), { everyMs: 5 });
      const second = begin('get', `${drive}:/film`, file('out/film'), ...AS_ALICE);
      const elsewhere = begin('get', `${drive}:/film`, file('out/other'), ...AS_ALICE);
      await sleep(killAfterMs);
      second.child.kill('SIGKILL');
      assert.deepEqual([await first.ended, await elsewhere.ended], [0, 0]);
      await second.ended;
      for (const name of ['film', 'other']) assert.equal(await hashOf(file(`out/${name}`)), whole, name);
      rmSync(file('out/film'));
      rmSync(file('out/other'));
    }
  });

  test('a folder that is got goes on in its place after a kill, and what is there is not got again', async () => {
    mkdirSync(file('tree/sub'), { recursive: true });
    for (let i = 0; i < 6; i++) randomFile(file(`tree/${i}`), 20 * MIB);
    writeFileSync(file('tree/sub/small'), 'small');
    await put('-r', file('tree'), `${drive}:/tree`);
    const run = begin('get', '-r', `${drive}:/tree`, file('got'), ...AS_ALICE);
    await until('a file is there', async () => existsSync(file('got/0')) || existsSync(file('got/sub/small')), { everyMs: 5 });
    run.child.kill('SIGKILL');
    await run.ended;
    const again = await get('-r', `${drive}:/tree`, file('got'));
    assert.deepEqual(readdirSync(file('got')).sort(), ['0', '1', '2', '3', '4', '5', 'sub']);
    assert.equal(again.files + again.there_already, 7);
    assert.ok(again.there_already >= 1, JSON.stringify(again));
    for (let i = 0; i < 6; i++) assert.equal(await hashOf(file(`got/${i}`)), await hashOf(file(`tree/${i}`)));
    // Once it is done the same words mean a place in that folder, as with `cp`.
    await get('-r', `${drive}:/tree`, file('got'));
    assert.ok(existsSync(file('got/tree/sub/small')));
    // What has the right size and time, and other bytes, is got anew.
    const { mtime } = statSync(file('tree/sub/small'));
    writeFileSync(file('got/tree/sub/small'), 'smalL');
    utimesSync(file('got/tree/sub/small'), mtime, mtime);
    assert.equal((await get('-r', `${drive}:/tree`, file('got'))).files, 1);
    assert.equal(readFileSync(file('got/tree/sub/small'), 'utf8'), 'small');
    for (const [source, to] of [[`${drive}:/tree/sub/small`, 'got/tree'], [`${drive}:/tree`, 'got/0']]) {
      mkdirSync(file('got/tree/small'), { recursive: true });
      const clash = await cli.run('get', '-r', source, file(to), ...AS_ALICE);
      assert.equal(clash.code, EXIT.usage, clash.stderr);
    }
  });

  test('a busy, a vanished and an unstorable file are left out and named, and the rest is stored', async () => {
    mkdirSync(file('home/cache'), { recursive: true });
    writeFileSync(file('home/letter'), 'dear');
    writeFileSync(file('home/cache/x.tmp'), 'no');
    randomFile(file('home/database'), 30 * MIB);
    for (const name of ['line\nbreak', 'tab\there']) writeFileSync(file(`home/${name}`), '');
    writeFileSync(Buffer.concat([Buffer.from(file('home/')), Buffer.from([0x66, 0xff])]), '');
    for (let i = 0; i < 7; i++) symlinkSync('letter', file(`home/link${i}`));
    const busy = setInterval(() => appendFileSync(file('home/database'), 'x'), 10);
    const stored = await cli.run('put', '-r', file('home'), `${drive}:/home`, '--exclude', '*.tmp', ...AS_ALICE);
    clearInterval(busy);
    assert.equal(stored.code, EXIT.partly, stored.stderr);
    const left = stored.json.left_out.map(({ path }) => path);
    assert.equal(left.length, 4, JSON.stringify(stored.json.left_out));
    assert.ok(left.some((path) => path.endsWith('/database')), left.join());
    assert.equal(stored.json.skipped.length, 7);
    assert.deepEqual(await names('/home'), ['cache', 'letter']);
    // As a user without permission sees it; for root nothing is closed.
    if (process.getuid() !== 0) {
      mkdirSync(file('home/closed'));
      chmodSync(file('home/closed'), 0);
      assert.equal((await cli.run('put', '-r', file('home'), `${drive}:/again`, ...AS_ALICE)).code, EXIT.partly);
      chmodSync(file('home/closed'), 0o755);
    }
    // Once nothing writes to it, it is stored; what was left out was never removed from the drive.
    const synced = await cli.run('sync', file('home'), `${drive}:/home`, '--delete', '--exclude', 'cache', ...AS_ALICE);
    assert.equal(synced.code, EXIT.partly, synced.stderr);
    assert.deepEqual(synced.json.removed, []);
    assert.deepEqual(await names('/home'), ['cache', 'database', 'letter']);
  });

  test('nothing is removed silently: an empty source, many files at once, or before all else is there', async () => {
    const quietly = ['--account', '//Alice'];
    mkdirSync(file('empty'));
    mkdirSync(file('photos'));
    for (let i = 0; i < 30; i++) writeFileSync(file(`photos/${i}`), `photo ${i}`);
    await put('-r', file('photos'), `${drive}:/photos`);
    const wiped = await cli.run('sync', file('empty'), `${drive}:/photos`, '--delete', ...quietly);
    assert.equal(wiped.code, EXIT.usage, wiped.stderr);
    mkdirSync(file('few'));
    writeFileSync(file('few/0'), 'photo 0');
    const most = await cli.run('sync', file('few'), `${drive}:/photos`, '--delete', ...quietly);
    assert.equal(most.code, EXIT.usage, most.stderr);
    const capped = await cli.run('sync', file('few'), `${drive}:/photos`, '--delete', '--max-delete', '5', ...AS_ALICE);
    assert.equal(capped.code, EXIT.usage, capped.stderr);
    assert.equal((await names('/photos')).length, 30);
    // A file that has to become a folder, and others that only this machine has: they go last.
    writeFileSync(file('photos/0'), 'changed');
    const down = await cli.ok('sync', `${drive}:/photos`, file('few'), '--delete', ...AS_ALICE);
    assert.equal(down.alike + down.touched.length + down.copied.length, 30);
    writeFileSync(file('few/only-here'), 'gone then');
    assert.deepEqual((await cli.ok('sync', `${drive}:/photos`, file('few'), '--delete', ...AS_ALICE)).removed, ['only-here']);
    // Times and modes follow, without the content.
    chmodSync(file('few/7'), 0o755);
    utimesSync(file('few/7'), 1_600_000_000, 1_600_000_000);
    utimesSync(file('few/8'), 1_600_000_008, 1_600_000_008);
    const touched = await cli.ok('sync', file('few'), `${drive}:/photos`, ...AS_ALICE);
    assert.deepEqual([touched.touched.sort(), touched.copied], [['7', '8'], []]);
    const settled = await cli.ok('sync', file('few'), `${drive}:/photos`, ...AS_ALICE);
    assert.deepEqual([settled.touched, settled.alike], [[], 30]);
    await cli.ok('sync', `${drive}:/photos`, file('photos'), ...AS_ALICE);
    assert.equal(statSync(file('photos/7')).mode & 0o777, 0o755);
    assert.equal(statSync(file('photos/7')).mtimeMs, 1_600_000_000_000);
    // Same size and time, other content.
    writeFileSync(file('few/8'), 'PHOTO 8');
    utimesSync(file('few/8'), 1_600_000_008, 1_600_000_008);
    assert.deepEqual((await cli.ok('sync', file('few'), `${drive}:/photos`, ...AS_ALICE)).copied, []);
    assert.deepEqual((await cli.ok('sync', file('few'), `${drive}:/photos`, '--checksum', ...AS_ALICE)).copied, ['8']);
  });

  test('a slash at the end means a directory', async () => {
    writeFileSync(file('one'), '1');
    await put(file('one'), `${drive}:/place/one`);
    await put(file('one'), `${drive}:/place/two`);
    const over = await cli.run('mv', `${drive}:/place/one`, `${drive}:/place/two/`, ...AS_ALICE);
    assert.equal(over.code, EXIT.usage, over.stderr);
    await cli.ok('mv', `${drive}:/place/one`, `${drive}:/place/new/`, ...AS_ALICE);
    assert.deepEqual(await names('/place'), ['new', 'new/one', 'two']);
  });

  test('options of sharing that mean nothing together are refused', async () => {
    for (const args of [['--public', '--until', '1d'], ['--link', '--until', '1d'], ['--public', '--role', 'writer'], ['--until', '1d']]) {
      const { code, stderr } = await cli.run('share', String(drive), ...args, ...AS_ALICE);
      assert.equal(code, EXIT.usage, `${args}: ${stderr}`);
    }
    assert.equal((await cli.ok('drive', 'status', String(drive))).public, false);
  });

  test('a drive that somebody shares unasked is never meant by itself, nor by the name that its owner gave it', async () => {
    await cli.ok('share', 'accept', ...AS_BOB);
    await cli.ok('share', String(drive), '//Bob', '--role', 'writer', ...AS_ALICE);
    const bob = new Cli({ dir: file('bob'), url: cli.url });
    mkdirSync(file('bob'));
    for (const place of ['drive:/', 'main:/']) {
      const { code, stderr } = await bob.run('put', file('one'), place, ...AS_BOB);
      assert.equal(code, EXIT.usage, `${place}: ${stderr}`);
    }
    const { drives } = await bob.ok('drive', 'list', ...AS_BOB);
    assert.deepEqual(drives.map(({ drive: id, own, name }) => [id, own, name]), [[drive, false, '']]);
    await bob.ok('drive', 'add', String(drive), 'alices', ...AS_BOB);
    await bob.ok('put', file('one'), 'alices:/from-bob', ...AS_BOB);
    assert.ok((await names('/')).includes('from-bob'));
  });

  test('a machine that has seen a version or a key takes nothing older from a node, nor a key from far ahead', async () => {
    const state = file('data/cairn/drives.json');
    const known = readFileSync(state, 'utf8');
    const change = (change) => {
      const all = JSON.parse(known);
      for (const chain of Object.values(all)) change(chain.seen[drive]);
      writeFileSync(state, JSON.stringify(all));
    };
    change((seen) => { seen.version += 1; });
    const older = await cli.run('ls', `${drive}:/`, ...AS_ALICE);
    assert.equal(older.code, EXIT.failed);
    assert.match(older.stderr, /shows version/);
    change((seen) => { seen.key_generation += 1; });
    for (const args of [['put', file('one'), `${drive}:/x`], ['share', String(drive), '//Charlie'], ['share', String(drive), '--public']]) {
      const { code, stderr } = await cli.run(...args, ...AS_ALICE);
      assert.equal(code, EXIT.failed, `${args}: ${stderr}`);
    }
    await cli.ok('drive', 'forget', String(drive), ...AS_ALICE);
    await cli.ok('ls', `${drive}:/`, ...AS_ALICE);
    writeFileSync(state, known);
  });

  test('a vault without its index, or without its logs, removes and makes nothing', async () => {
    const { slots } = await cli.ok('drive', 'status', String(drive));
    const vault = await keeperOf(vaults, slots[0]);
    const store = join(vault.data, 'store');
    const logs = () => readdirSync(join(store, 'logs')).map((name) => [name, statSync(join(store, 'logs', name)).size]);
    await vault.kill('SIGTERM');
    const before = logs();
    assert.ok(before.length > 0);
    const refused = async (words) => {
      await assert.rejects(vault.start(), words);
    };
    renameSync(join(store, 'index'), file('index-elsewhere'));
    await refused(/the index doesn't know/);
    assert.deepEqual(logs(), before);
    rmSync(join(store, 'index'), { recursive: true });
    renameSync(file('index-elsewhere'), join(store, 'index'));
    renameSync(join(store, 'logs'), file('logs-elsewhere'));
    await refused(/none of them is there/);
    assert.deepEqual(logs(), []);
    rmSync(join(store, 'logs'), { recursive: true });
    renameSync(file('logs-elsewhere'), join(store, 'logs'));
    await vault.start();
    assert.equal((await vault.status()).reached.from_here, true);
    const again = await cli.ok('drive', 'status', String(drive));
    assert.equal(again.slots.every(({ reached }) => reached), true);
  });
});
