// SPDX-License-Identifier: Apache-2.0
// Files from one machine to another, over vaults that come and go: real processes, real disks, a real chain.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cli, EXIT } from './lib/cli.mjs';
import { hashOf, KIB, MIB, randomFile } from './lib/files.mjs';
import { run } from './lib/gateway.mjs';
import { Network } from './lib/network.mjs';
import { binary } from './lib/paths.mjs';
import { blocks, keeperOf as keeperIn, startVaults } from './lib/vaults.mjs';
import { seconds, sleep, until } from './lib/wait.mjs';

const AS_ALICE = ['--account', '//Alice', '--yes'];
describe('storage', { timeout: seconds(1800) }, () => {
  let network;
  let cli;
  let vaults;
  let drive;

  const file = (name) => join(network.dir, name);
  const put = (...args) => cli.ok('put', ...args, ...AS_ALICE);
  const get = (...args) => cli.ok('get', ...args, ...AS_ALICE);
  const driveStatus = () => cli.ok('drive', 'status', String(drive));
  /** The vault that has a slot. */
  const keeperOf = (slot) => keeperIn(vaults, slot);
  const keepsObjects = (vault) => vault.args.length > 0;
  /** A slot whose vault keeps objects, or doesn't, and that vault. */
  const slotWhere = async (fits) => {
    const { slots } = await driveStatus();
    for (const slot of slots) {
      const vault = await keeperOf(slot);
      if (fits(vault)) return { number: slot.slot, vault };
    }
    throw new Error('no vault is like that');
  };
  const healthy = async () => (await driveStatus()).slots.filter(({ state }) => state === 'healthy').length;

  before(async () => {
    network = await Network.dev();
    const [node] = network.nodes;
    await node.waitFinalized(2);
    cli = new Cli({ dir: network.dir, url: node.url });
    mkdirSync(file('bucket'));
    // Half of them keep their shards as objects: a folder stands for the store, which speaks no protocol of its own then.
    vaults = await startVaults(network, cli, 3, { capacity: '4GiB' });
    const objects = (number) => ['--objects', `file://${file(`bucket/${number}`)}`];
    for (const first of [4, 5, 6]) {
      vaults.push(...await startVaults(network, cli, 1, { capacity: '4GiB', first, args: objects(first) }));
    }
  });

  after(async () => {
    await Promise.all((vaults ?? []).map((vault) => vault.kill()));
    await network?.close();
  });

  test('a drive needs as many vaults as it has slots, and says how many there are', async () => {
    const { code, stderr } = await cli.run('drive', 'create', 'wide', '--capacity', '16MiB', '--coding', '4/16', ...AS_ALICE);
    assert.equal(code === EXIT.refused || code === EXIT.failed, true, stderr);
    assert.match(stderr, /6/);
  });

  test('files of every edge size come back byte for byte, and with the recovery phrase alone on another machine', async () => {
    drive = (await cli.ok('drive', 'create', 'main', '--capacity', '1536MiB', ...AS_ALICE)).drive;
    const sizes = [0, 1, 4095, 4096, 4097, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 3 * MIB + 7];
    mkdirSync(file('edges'));
    for (const size of sizes) randomFile(file(`edges/${size}`), size);
    await put('-r', file('edges'), `${drive}:/edges`);

    // Another machine: another home, which knows nothing but the phrase.
    const other = new Cli({ dir: file('other-machine'), url: cli.url });
    mkdirSync(file('other-machine'));
    await other.ok('get', '-r', `${drive}:/edges`, file('edges-again'), ...AS_ALICE);
    for (const size of sizes) {
      assert.equal(statSync(file(`edges-again/${size}`)).size, size);
      assert.equal(await hashOf(file(`edges-again/${size}`)), await hashOf(file(`edges/${size}`)), `${size} bytes`);
    }
    const { entries } = await cli.ok('ls', '-R', `${drive}:/edges`, ...AS_ALICE);
    assert.deepEqual(entries.map(({ size }) => size).sort((a, b) => a - b), sizes);
  });

  test('one checkpoint holds ten thousand small files', async () => {
    mkdirSync(file('many'));
    for (let i = 0; i < 10_000; i++) writeFileSync(file(`many/${i}`), `file ${i}\n`.repeat(1 + (i % 50)));
    const before = (await driveStatus()).version;
    await put('-r', file('many'), `${drive}:/many`);
    assert.equal((await driveStatus()).version, before + 1);
    await get('-r', `${drive}:/many`, file('many-again'));
    assert.equal(readdirSync(file('many-again')).length, 10_000);
    for (const i of [0, 1, 4_999, 9_999]) {
      assert.equal(readFileSync(file(`many-again/${i}`), 'utf8'), readFileSync(file(`many/${i}`), 'utf8'));
    }
  });

  test('a range reads what it asks for, and streams go in and out', async () => {
    const path = randomFile(file('big'), 300 * MIB);
    await put(path, `${drive}:/big`);
    await get(`${drive}:/big`, file('big-again'));
    assert.equal(await hashOf(file('big-again')), await hashOf(path));
    const at = 123_456_789;
    const raw = await run('bash', ['-c', `'${binary('cairn')}' --url '${cli.url}' --quiet cat --range ${at}-${at + 99} ${drive}:/big --account //Alice | sha256sum`],
      { env: cli.env });
    const fd = readFileSync(path).subarray(at, at + 100);
    assert.equal(raw.stdout.split(' ')[0], createHash('sha256').update(fd).digest('hex'));
    const streamed = await run('bash', ['-c', `head -c 70000 '${path}' | '${binary('cairn')}' --url '${cli.url}' --quiet put - ${drive}:/streamed --account //Alice --yes`],
      { env: cli.env });
    assert.equal(streamed.code, 0, streamed.stderr);
    await get(`${drive}:/streamed`, file('streamed'));
    assert.deepEqual(readFileSync(file('streamed')), readFileSync(path).subarray(0, 70_000));
  });

  test('a put whose program is killed goes on where it was', async () => {
    const path = randomFile(file('long'), 120 * MIB);
    const args = ['--url', cli.url, '--json', 'put', path, `${drive}:/long`, ...AS_ALICE];
    const before = (await driveStatus()).version;
    for (const afterMs of [150, 600]) {
      const child = spawn(binary('cairn'), args, { env: cli.env, stdio: 'ignore' });
      const ended = new Promise((resolve) => { child.once('exit', resolve); });
      await sleep(afterMs);
      child.kill('SIGKILL');
      await ended;
    }
    await put(path, `${drive}:/long`);
    assert.ok((await driveStatus()).version > before);
    await get(`${drive}:/long`, file('long-again'));
    assert.equal(await hashOf(file('long-again')), await hashOf(path));
  });

  test('a put whose program is killed once the chain has it: the same words later store what the file has then', async () => {
    const path = file('report');
    /** Puts it, and kills the program while its checkpoint becomes final; the chain takes that. */
    const putAndKill = async (...words) => {
      const { version } = await driveStatus();
      const args = ['--url', cli.url, 'put', ...words, ...AS_ALICE];
      const child = spawn(binary('cairn'), args, { env: cli.env, stdio: ['ignore', 'ignore', 'pipe'] });
      const ended = new Promise((resolve) => { child.once('exit', resolve); });
      await new Promise((resolve) => {
        let text = '';
        child.stderr.on('data', (data) => { if ((text += data).includes('the checkpoint is sent')) resolve(); });
        child.once('exit', resolve);
      });
      await sleep(1000);
      child.kill('SIGKILL');
      await ended;
      await until('the chain has it', async () => (await driveStatus()).version > version);
    };
    writeFileSync(path, 'version one');
    await putAndKill(path, `${drive}:/report`);
    writeFileSync(path, 'version two');
    const stored = await put(path, `${drive}:/report`);
    assert.equal(stored.was_done, false);
    await get(`${drive}:/report`, file('report-again'));
    assert.equal(readFileSync(file('report-again'), 'utf8'), 'version two');
    // What was removed meanwhile isn't there because it once was.
    await putAndKill(path, `${drive}:/report`);
    await cli.ok('rm', `${drive}:/report`, ...AS_ALICE);
    assert.equal((await put(path, `${drive}:/report`)).was_done, false);
    await get(`${drive}:/report`, file('report-again'));
    // A directory that the killed run has made isn't one to put the folder into.
    mkdirSync(file('reports'));
    writeFileSync(file('reports/may'), 'sunny');
    await putAndKill('-r', file('reports'), `${drive}:/yearly`);
    assert.equal((await put('-r', file('reports'), `${drive}:/yearly`)).was_done, true);
    const namesIn = async () => (await cli.ok('ls', '-R', `${drive}:/yearly`, ...AS_ALICE)).entries.map(({ name }) => name);
    assert.deepEqual(await namesIn(), ['may']);
    // It is one once there is nothing to go on with, as with `cp`.
    await put('-r', file('reports'), `${drive}:/yearly`);
    assert.deepEqual((await namesIn()).sort(), ['may', 'reports', 'reports/may']);
  });

  test('of two who make a directory like their folder at once, the last one has it so', async () => {
    for (const folder of ['left', 'right']) {
      mkdirSync(file(folder));
      for (const name of ['1', '2']) writeFileSync(file(`${folder}/${folder}${name}`), folder);
    }
    const sync = (folder) => cli.ok('sync', file(folder), `${drive}:/raced`, '--delete', ...AS_ALICE);
    await Promise.all([sync('left'), sync('right')]);
    const { entries } = await cli.ok('ls', `${drive}:/raced`, ...AS_ALICE);
    const names = entries.map(({ name }) => name).sort();
    assert.ok([['left1', 'left2'], ['right1', 'right2']].some((one) => one.join() === names.join()), names.join());
  });

  test('two files of one name, and links, lead nowhere that nobody meant', async () => {
    for (const folder of ['one', 'two', 'outside', 'here']) mkdirSync(file(folder));
    writeFileSync(file('one/same'), '1');
    writeFileSync(file('two/same'), '2');
    const both = await cli.run('put', file('one/same'), file('two/same'), `${drive}:/both/`, ...AS_ALICE);
    assert.equal(both.code, EXIT.usage);
    assert.match(both.stdout + both.stderr, /one\/same and .*two\/same would both be/);
    symlinkSync(file('one/same'), file('latest'));
    await put(file('latest'), file('two/same'), `${drive}:/linked/sub/`);
    const { entries } = await cli.ok('ls', '-R', `${drive}:/linked`, ...AS_ALICE);
    assert.deepEqual(entries.map(({ name }) => name).sort(), ['sub', 'sub/latest', 'sub/same']);
    symlinkSync(file('outside'), file('here/sub'));
    for (const more of [[], ['--delete']]) {
      const through = await cli.run('sync', `${drive}:/linked`, file('here'), ...more, ...AS_ALICE);
      assert.equal(through.code, EXIT.usage);
      assert.match(through.stdout + through.stderr, /symbolic link/);
    }
    mkdirSync(file('there/linked'), { recursive: true });
    symlinkSync(file('outside'), file('there/linked/sub'));
    for (const args of [['-r', `${drive}:/linked`, file('there')], [`${drive}:/linked/sub/same`, file('latest')]]) {
      const through = await cli.run('get', ...args, ...AS_ALICE);
      assert.equal(through.code, EXIT.usage);
      assert.match(through.stdout + through.stderr, /symbolic link/);
    }
    assert.deepEqual(readdirSync(file('outside')), []);
    assert.equal(readFileSync(file('one/same'), 'utf8'), '1');
  });

  test('what is moved, removed and overwritten is so, and older versions stay readable', async () => {
    writeFileSync(file('note'), 'first');
    await put(file('note'), `${drive}:/note`);
    const { version } = await driveStatus();
    writeFileSync(file('note'), 'second');
    await put(file('note'), `${drive}:/note`);
    await cli.ok('mv', `${drive}:/note`, `${drive}:/papers/note`, ...AS_ALICE);
    await cli.ok('rm', '-r', `${drive}:/many`, ...AS_ALICE);
    const listed = JSON.stringify(await cli.ok('ls', '-R', `${drive}:/`, ...AS_ALICE));
    assert.match(listed, /papers\/note"/);
    assert.doesNotMatch(listed, /"many/);
    await get('--version', String(version), `${drive}:/note`, file('note-then'));
    assert.equal(readFileSync(file('note-then'), 'utf8'), 'first');
    await get(`${drive}:/papers/note`, file('note-now'));
    assert.equal(readFileSync(file('note-now'), 'utf8'), 'second');
    const missing = await cli.run('get', `${drive}:/many/1`, file('nothing'), ...AS_ALICE);
    assert.equal(missing.code, EXIT.failed);
    assert.equal(existsSync(file('nothing')), false);
  });

  test('who is given the key reads, and what is written after it was taken back stays closed to them', async () => {
    const asBob = ['--account', '//Bob', '--yes'];
    const refused = await cli.run('get', `${drive}:/papers/note`, file('bobs'), ...asBob);
    assert.notEqual(refused.code, EXIT.done);
    await cli.ok('share', 'accept', ...asBob);
    await cli.ok('share', String(drive), '//Bob', ...AS_ALICE);
    const shared = (await driveStatus()).shared_with;
    assert.deepEqual(shared.map(({ role, until_block }) => [role, until_block]), [['reader', null]]);
    await cli.ok('get', `${drive}:/papers/note`, file('bobs'), ...asBob);
    assert.equal(readFileSync(file('bobs'), 'utf8'), 'second');
    const write = await cli.run('put', file('note'), `${drive}:/bobs`, ...asBob);
    assert.notEqual(write.code, EXIT.done, 'a reader can not write');
    await cli.ok('unshare', String(drive), '//Bob', ...AS_ALICE);
    writeFileSync(file('secret'), 'not for Bob');
    await put(file('secret'), `${drive}:/secret`);
    const later = await cli.run('get', `${drive}:/secret`, file('bobs-later'), ...asBob);
    assert.notEqual(later.code, EXIT.done);
    assert.equal(existsSync(file('bobs-later')), false);
  });

  test('a link gives one file to whoever has it', async () => {
    const { link } = await cli.ok('share', '--link', `${drive}:/papers/note`, ...AS_ALICE);
    await cli.ok('get', link, file('by-link'), '--account', '//Charlie', '--yes');
    assert.equal(readFileSync(file('by-link'), 'utf8'), 'second');
    // From a file, where nobody sees it in the list of processes.
    writeFileSync(file('link.txt'), `${link}\n`);
    await cli.ok('get', `@${file('link.txt')}`, file('by-link-in-file'), '--account', '//Charlie', '--yes');
    assert.equal(readFileSync(file('by-link-in-file'), 'utf8'), 'second');
    const nowhere = await cli.run('get', `@${file('no-link.txt')}`, file('by-nothing'), '--account', '//Charlie', '--yes');
    assert.equal(nowhere.code, EXIT.usage, nowhere.stderr);
    const cut = await cli.run('get', link.slice(0, -4), file('by-cut-link'), '--account', '//Charlie', '--yes');
    assert.notEqual(cut.code, EXIT.done);
  });

  test('with a vault gone everything is readable, and a spare takes its place without the owner', async () => {
    const { slots } = await driveStatus();
    const gone = await keeperOf(slots[0]);
    await gone.kill();
    await get(`${drive}:/big`, file('big-without'));
    assert.equal(await hashOf(file('big-without')), await hashOf(file('big')));
    await until('four copies again', async () => {
      const now = await driveStatus();
      return now.slots[0].vault !== slots[0].vault && await healthy() === 4;
    }, { timeoutMs: blocks(200), everyMs: 2000 });
    await gone.start();
  });

  test('rot on a disk, and in an object, is found and mended', async () => {
    const local = await slotWhere((vault) => !keepsObjects(vault));
    const remote = await slotWhere(keepsObjects);
    const bucket = file(`bucket/${remote.vault.number}/${drive}-${remote.number}`);
    const segments = readdirSync(bucket);
    // 300 MiB in segments of 8 MiB, and what came before.
    assert.ok(segments.length > 30, `${segments.length} objects`);
    for (const [vault, path, offset] of [
      [local.vault, join(local.vault.data, 'store', 'logs', `${drive}-${local.number}.log`), 40 * MIB],
      [remote.vault, join(bucket, segments.sort()[5]), 3 * MIB],
    ]) {
      await vault.kill('SIGTERM');
      const whole = await hashOf(path);
      const fd = openSync(path, 'r+');
      writeSync(fd, Buffer.alloc(2000, 0x5a), 0, 2000, offset);
      closeSync(fd);
      const broken = await hashOf(path);
      await vault.start();
      await cli.ok('vault', 'scrub', '--status', `127.0.0.1:${vault.statusPort}`);
      const now = async () => (existsSync(path) ? hashOf(path) : broken);
      await until('the rot is mended', async () => await now() !== broken, { timeoutMs: seconds(120), everyMs: 1000 });
      assert.equal(await hashOf(path), whole);
    }
  });

  test('a closed drive gives back what it did not use', async () => {
    const before = BigInt((await cli.ok('account', 'show', '//Alice')).free.units);
    const { escrow } = await driveStatus();
    await cli.ok('drive', 'close', String(drive), ...AS_ALICE);
    const back = BigInt((await cli.ok('account', 'show', '//Alice')).free.units) - before;
    // Less what the last blocks cost, and the fee; more by the deposit.
    assert.ok(back > (BigInt(escrow.units) * 99n) / 100n, `${back} of ${escrow.units}`);
    const { code } = await cli.run('drive', 'status', String(drive));
    assert.notEqual(code, EXIT.done);
  });
});
