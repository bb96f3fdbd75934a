// SPDX-License-Identifier: Apache-2.0
// Rounds of kill -9 at random moments, from a seed: of the client in the middle of an upload or a checkpoint, of vaults
// in the middle of an upload, a proof or a repair. What must hold, and is checked in every round:
//   - a command that said it was done has its file there, byte for byte, now and at the end;
//   - a command that was killed can be run again, and then is done;
//   - no vault lost bond or was thrown out, unless it was kept away for longer than it may be.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cli } from './lib/cli.mjs';
import { Network } from './lib/network.mjs';
import { binary } from './lib/paths.mjs';
import { startVaults } from './lib/vaults.mjs';
import { sleep } from './lib/wait.mjs';

const { values } = parseArgs({ options: {
  rounds: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' }, json: { type: 'string' },
} });
const rounds = Number(values.rounds);

/** Numbers in [0, 1) that follow from the seed alone. */
function* random(seed) {
  for (let i = 0; ; i++) {
    yield createHash('sha256').update(`${seed}/${i}`).digest().readUInt32LE() / 2 ** 32;
  }
}
const stream = random(values.seed);
const draw = () => stream.next().value;
const below = (count) => Math.floor(draw() * count);

/** Bytes that follow from the seed and a name. */
function bytes(name, length) {
  const out = Buffer.alloc(length);
  let block = createHash('sha256').update(`${values.seed}/${name}`).digest();
  for (let at = 0; at < length; at += 32) {
    block.copy(out, at);
    block = createHash('sha256').update(block).digest();
  }
  return out;
}

const network = await Network.dev();
const counts = { rounds: 0, clientKills: 0, vaultKills: 0, resumed: 0, done: 0, bytes: 0 };
try {
  const [node] = network.nodes;
  await node.waitFinalized(2);
  const cli = new Cli({ dir: network.dir, url: node.url });
  const vaults = await startVaults(network, cli, 6);
  const { drive } = await cli.ok('drive', 'create', 'faults', '--capacity', '900MiB', '--account', '//Alice', '--yes');
  const bonds = (await Promise.all(vaults.map((vault) => vault.status()))).map(({ bond }) => JSON.stringify(bond));
  mkdirSync(join(network.dir, 'in'));
  const kept = new Map();

  const start = (args) => {
    const child = spawn(binary('cairn'), ['--url', node.url, '--json', ...args, '--account', '//Alice', '--yes'], {
      env: cli.env, stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (part) => { stderr += part; });
    const ended = new Promise((resolve) => { child.once('exit', (code) => resolve({ code, stderr })); });
    return { child, ended };
  };
  const check = async (name, content) => {
    const path = join(network.dir, 'out');
    rmSync(path, { force: true });
    await cli.ok('get', `${drive}:/${name}`, path, '--account', '//Alice', '--yes');
    assert.ok(readFileSync(path).equals(content), `${name} differs`);
  };

  for (let round = 0; round < rounds; round++) {
    const name = `round${round}`;
    const length = draw() < 0.3 ? below(10_000) : below(6 << 20);
    const content = bytes(name, length);
    const path = join(network.dir, 'in', name);
    writeFileSync(path, content);
    const command = ['put', path, `${drive}:/${name}`];
    let { child, ended } = start(command);
    const killVault = draw() < 0.6 ? vaults[below(vaults.length)] : null;
    const killClient = draw() < 0.5;
    const kills = [];
    // Some kills fall into the first steps, some into the wait for the checkpoint's finality, some after it.
    if (killVault) {
      kills.push((async () => {
        await sleep(below(6000));
        await killVault.kill();
        counts.vaultKills += 1;
        await sleep(below(3000));
        await killVault.start();
      })());
    }
    if (killClient) {
      kills.push((async () => {
        await sleep(below(6000));
        if (child.exitCode === null) {
          child.kill('SIGKILL');
          counts.clientKills += 1;
        }
      })());
    }
    let end = await ended;
    await Promise.all(kills);
    for (let tries = 0; end.code !== 0; tries++) {
      assert.ok(tries < 5, `${name} is refused again and again: ${end.stderr}`);
      ({ child, ended } = start(command));
      end = await ended;
      counts.resumed += 1;
    }
    kept.set(name, length);
    counts.done += 1;
    counts.bytes += length;
    counts.rounds += 1;
    await check(name, content);
    // One of those before, too.
    const earlier = [...kept.keys()][below(kept.size)];
    await check(earlier, bytes(earlier, kept.get(earlier)));
    rmSync(path);
    if (round % 10 === 9) console.error(`${round + 1} of ${rounds} rounds: ${JSON.stringify(counts)}`);
  }
  for (const [name, length] of kept) await check(name, bytes(name, length));
  const after = await Promise.all(vaults.map((vault) => vault.status()));
  for (const [i, vault] of after.entries()) {
    assert.equal(JSON.stringify(vault.bond), bonds[i], `${vaults[i].name} was slashed`);
    assert.ok(['active', 'probation'].includes(vault.status), `${vaults[i].name} is ${vault.status}`);
  }
  const result = { seed: values.seed, ...counts, filesChecked: kept.size, slashed: 0, lost: 0 };
  console.log(JSON.stringify(result, null, 2));
  if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  await Promise.all(vaults.map((vault) => vault.kill()));
} finally {
  await network.close();
}
