// SPDX-License-Identifier: Apache-2.0
// Three validators on the local chain: what happens when one is gone, comes, goes or cheats.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CRN, connect, devAccount, freeBalance, waitEvent } from './lib/chain.mjs';
import { Cli } from './lib/cli.mjs';
import { Network } from './lib/network.mjs';
import { seconds, until } from './lib/wait.mjs';

/** Two eras of 60 s, and as long again for a slow machine. */
const TWO_ERAS = seconds(300);

describe('a network of three validators', { timeout: seconds(900) }, () => {
  let network;
  let alice;
  let bob;
  let charlie;
  let api;

  before(async () => {
    network = await Network.local();
    [alice, bob, charlie] = network.nodes;
    api = await connect(alice.url);
  });

  after(async () => {
    await api?.disconnect();
    await network?.close();
  });

  test('all three make blocks, and finalize the same ones', async () => {
    await Promise.all(network.nodes.map((node) => node.waitFinalized(3)));
    const [first, ...others] = await Promise.all(network.nodes.map((node) => node.call('chain_getBlockHash', 3)));
    for (const hash of others) assert.equal(hash, first);
    // Every one of them has made one: the slots go round.
    await until('blocks by three authors', async () => {
      const authors = new Set();
      const best = await alice.bestNumber();
      for (let number = 1; number <= best; number++) {
        const header = await api.derive.chain.getHeader(await api.rpc.chain.getBlockHash(number));
        authors.add(String(header.author));
      }
      return authors.size === 3;
    }, { everyMs: 1000 });
  });

  test('with one of three killed, blocks go on, finality waits; it returns, catches up, and finality recovers', async () => {
    await charlie.kill('SIGKILL');
    // What was being finalized may still be; then it stops, since two of three are not more than two thirds.
    const killedAt = await alice.bestNumber();
    await alice.waitBest(killedAt + 3);
    const stuckAt = await alice.finalizedNumber();
    await alice.waitBest(killedAt + 6);
    assert.equal(await alice.finalizedNumber(), stuckAt, 'nothing is finalized by two of three');
    assert.ok(stuckAt <= killedAt + 1);
    assert.equal(await bob.finalizedNumber(), stuckAt);

    await charlie.restart();
    const target = await alice.bestNumber();
    await charlie.waitBest(target);
    await Promise.all(network.nodes.map((node) => node.waitFinalized(target)));
    assert.equal(await charlie.call('chain_getBlockHash', target), await alice.call('chain_getBlockHash', target));
  });

  test('a new node warps to the newest finalized block, and follows from there', async () => {
    const late = await network.add({
      name: 'late', args: ['--chain', network.spec, '--sync', 'warp', ...(await network.join())],
    });
    const target = await alice.finalizedNumber();
    await late.waitFinalized(target);
    assert.match(late.process.output(), /Warp sync is complete/);
    // Blocks before the one that it warped to come later, from behind.
    await late.waitFinalized(target + 2);
    const head = await late.call('chain_getFinalizedHead');
    const { number } = await late.call('chain_getHeader', head);
    assert.equal(await alice.call('chain_getBlockHash', Number(number)), head);
    await late.kill();
  });

  test('a fourth joins with `cairn stake`, is active within two eras, and leaves again', async () => {
    const dave = await network.add({
      name: 'fourth',
      args: ['--chain', network.spec, '--validator', '--unsafe-force-node-key-generation', ...(await network.join())],
    });
    const cli = new Cli({ dir: network.dir, url: dave.url });
    await dave.waitBest(await alice.bestNumber());

    const { address } = await cli.ok('account', 'new', 'fourth', '--no-phrase');
    await cli.ok('account', 'send', '--account', '//Alice', 'fourth', '20000', '--yes');
    assert.equal(await freeBalance(api, address), 20_000n * CRN);
    await cli.ok('stake', 'bond', '--account', 'fourth', '15000', '--yes');
    await cli.ok('stake', 'validate', '--account', 'fourth', '--node-url', dave.url, '--yes');
    const joinedIn = (await api.query.staking.activeEra()).unwrap().index.toNumber();

    const isActive = async () => (await api.query.session.validators()).some((who) => who.toString() === address);
    await until('the fourth is in the active set', isActive, { timeoutMs: TWO_ERAS, everyMs: 1000 });
    // The next election counts it, and the era after that election is the next or the one after it.
    const activeIn = (await api.query.staking.activeEra()).unwrap().index.toNumber();
    assert.ok(activeIn <= joinedIn + 2, `asked in era ${joinedIn}, active in era ${activeIn}`);
    await until('the fourth has made a block', async () => {
      const points = await api.query.staking.erasRewardPoints((await api.query.staking.activeEra()).unwrap().index);
      return [...points.individual.keys()].some((who) => who.toString() === address);
    }, { everyMs: 1000 });
    // Its vote counts: three of four finalize while one is away. Not before the old three have finalized the change of
    // the set together, though.
    await alice.waitFinalized(await alice.bestNumber());
    await charlie.kill('SIGKILL');
    const finalized = await alice.finalizedNumber();
    await alice.waitFinalized(finalized + 3);
    await charlie.restart();

    await cli.ok('stake', 'chill', '--account', 'fourth', '--yes');
    await until('the fourth has left the active set', async () => !(await isActive()), { timeoutMs: TWO_ERAS, everyMs: 1000 });
    await dave.stop();
    await alice.waitFinalized(await alice.bestNumber() + 2);
  });

  test('a validator that makes two blocks in one slot is slashed', async () => {
    const stash = (await devAccount('Bob')).address;
    const bonded = async () => (await api.query.staking.ledger(stash)).unwrap().total.toBigInt();
    const offence = (kind, from) => waitEvent(api, 'offences', 'Offence', {
      from, timeoutMs: TWO_ERAS,
      where: ({ data }) => Buffer.from(data.kind.toU8a(true)).toString().startsWith(kind),
    });
    const before = await bonded();
    const from = await alice.bestNumber();
    // The same session keys a second time: both nodes author whenever Bob's turn comes, and the second doesn't vote.
    const maker = await network.addValidator('bob-makes-again', { as: 'bob', args: ['--no-grandpa'] });
    await offence('babe:equivocat', from);
    const { event } = await waitEvent(api, 'staking', 'Slashed', { from, timeoutMs: TWO_ERAS });
    assert.equal(event.data[0].toString(), stash);
    await until('the stake has shrunk', async () => (await bonded()) < before);
    await maker.kill();
    // The others go on without what Bob says.
    await alice.waitFinalized(await alice.bestNumber() + 2);
  });
});
