// SPDX-License-Identifier: Apache-2.0
// What is paid without a voucher for each step: plans, and badges for a consumer's users. Real servers, proxies, chain, contract.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { devAccount } from './lib/chain.mjs';
import { Cli, EXIT } from './lib/cli.mjs';
import { ApiProvider, ApiProxy, startMarket, Upstream } from './lib/market.mjs';
import { seconds, until } from './lib/wait.mjs';

const UNITS = 100;
const consumer = '//Dave';
/** No calls but those that are asked for. */
const exactly = ['--cross-check-every', '1000000'];

describe('plans and badges', { concurrency: false, timeout: seconds(900) }, () => {
  let network, cli, market, upstream, provider, openapi;
  const file = (name) => join(network.dir, name);
  const as = (account) => ['--account', account, '--yes'];
  const inMarket = (...args) => ['--contract', market, ...args];
  const fund = (data, ...args) => cli.ok('api', 'fund', ...inMarket('--data', data, ...args), ...as(consumer));
  const plans = (data, ...args) => cli.ok('api', 'plans', String(provider.api), ...inMarket('--data', data, ...args), ...as(consumer));
  const calls = async (proxy, from, count) => {
    const answers = await Promise.all(Array.from({ length: count }, (_, i) => proxy.get(`/squares/square/${from + i}`)));
    for (const answer of answers) assert.equal(answer.status, 200, await answer.clone().text());
  };
  /** What calls have used is in the books a quarter of a second later. */
  const leftByBooks = (which, left) => until(`its books say that ${left} units are left`,
    async () => (await which.earnings()).consumers[0].plan.left === left);
  /** A provider is killed, once its books say that so much is left, and comes back. */
  const killed = async (which, left) => {
    await leftByBooks(which, left);
    await which.process.kill();
    await which.start();
  };

  before(async () => {
    ({ network, cli, market, openapi } = await startMarket());
    upstream = await Upstream.start();
    provider = await ApiProvider.start({
      network, cli, market, name: 'squares', openapi, account: '//Bob', upstream, price: '0.001', args: ['--redeem-after', '100000'],
    });
    await cli.ok('api', 'plans', String(provider.api), ...inMarket('--add', 'hundred', '--price', '1', '--units', String(UNITS)), ...as('//Bob'));
    await fund(file('first'), '--deposit', '20', '--cap', '10');
    await plans(file('first'), '--subscribe', '0');
  });

  after(async () => {
    await provider?.process.stop();
    await upstream?.close();
    await network?.close();
  });

  test('a plan pays for its units, over a kill of the provider, and then vouchers do', async () => {
    assert.equal((await plans(file('first'))).subscription.left, UNITS);
    // Caps are for what vouchers promise: a call over the cap for one is covered all the same.
    const proxy = await ApiProxy.start({ network, cli, market, account: consumer, data: file('first'), args: [...exactly, '--cap-call', '0.0001'] });
    try {
      await calls(proxy, 0, 60);
      const seller = await proxy.seller('squares', provider.api);
      assert.equal(seller.promised, '0');
      assert.equal(seller.plan.left, UNITS - 60);
      assert.equal(await provider.metric('cairn_api_plan_calls_total'), 60);
      await killed(provider, UNITS - 60);
      await calls(proxy, 60, 40);
      assert.equal((await proxy.seller('squares', provider.api)).promised, '0', 'no voucher for any of them');
      assert.equal(upstream.calls, UNITS);
      const refused = await proxy.get('/squares/square/100');
      assert.equal(refused.status, 402);
      assert.match((await refused.json()).error, /cap for one call/);
      await proxy.process.stop();
      assert.equal((await plans(file('first'))).subscription.left, 0, 'this machine knows');
      await proxy.start([...exactly, '--cap-call', '0.01']);
      await calls(proxy, 101, 1);
      assert.ok(BigInt((await proxy.seller('squares', provider.api)).promised) >= 1_000_000_000n, 'by voucher');
      assert.equal(upstream.calls, UNITS + 1);
      await leftByBooks(provider, 0);
      const { consumers: [{ plan }] } = await provider.earnings();
      assert.equal(plan.units, UNITS);
    } finally {
      await proxy.process.stop();
    }
  });

  test('another signer of the same consumer has no units anew', async () => {
    await fund(file('second'), '--cap', '5');
    const proxy = await ApiProxy.start({
      network, cli, market, account: consumer, label: 'second', data: file('second'), args: [...exactly, '--cap-total', '0', '--cap-day', '0'],
    });
    try {
      const before = upstream.calls;
      const refused = await proxy.get('/squares/square/1');
      assert.equal(refused.status, 402);
      assert.match((await refused.json()).error, /cap of 0 CRN/);
      assert.equal(upstream.calls, before);
      assert.equal((await proxy.seller('squares', provider.api)).plan.left, 0, 'the provider has said so');
    } finally {
      await proxy.process.stop();
    }
  });

  test('one more period of the plan is no more units in this one', async () => {
    await plans(file('second'), '--subscribe', '0');
    const { subscription } = await plans(file('second'));
    assert.equal(subscription.left, 0);
    assert.ok(subscription.ends_ms - subscription.began_ms === 60 * 86_400_000);
  });

  describe('badges', { concurrency: false }, () => {
    let other;
    const user = {};
    const badge = (name, units, ...args) => cli.ok('api', 'badge', '--api', String(other.api), '--user', user.key, '--units', String(units),
      '--out', file(name), ...inMarket('--data', file('first'), ...args), ...as(consumer));
    /** A user has no account, and no folder of a consumer. */
    const call = (name, key = 'user.key', api = 'cubes', path = '/square/12') => new Cli({ dir: file('users-home'), url: cli.url })
      .run('api', 'call', '--allow-local', api, path, '--badge', file(name), '--key', file(key));

    before(async () => {
      // An API of another provider, with a plan of its own.
      other = await ApiProvider.start({
        network, cli, market, name: 'cubes', openapi, account: '//Charlie', upstream, price: '0.001', args: ['--redeem-after', '100000'],
      });
      const number = String(other.api);
      await cli.ok('api', 'plans', number, ...inMarket('--add', 'p', '--price', '1', '--units', '1000'), ...as('//Charlie'));
      await cli.ok('api', 'plans', number, ...inMarket('--data', file('first'), '--subscribe', '0'), ...as(consumer));
      mkdirSync(file('users-home'));
      user.key = (await cli.ok('api', 'badge', '--new-key', file('user.key'))).user;
      await cli.ok('api', 'badge', '--new-key', file('stranger.key'));
    });
    after(() => other?.process.stop());

    test('a user without an account calls at the cost of the plan, up to its badge, over a kill', async () => {
      await badge('three.json', 3);
      for (const left of [2, 1]) {
        const { code, json, stderr } = await call('three.json');
        assert.equal(code, EXIT.done, stderr);
        assert.deepEqual(json.body, { n: 12, square: 144 });
        assert.equal(json.headers['cairn-badge-left'], String(left));
        assert.equal(json.headers['cairn-credit'], undefined, 'nothing is told of the consumer');
      }
      await killed(other, 998);
      assert.equal((await call('three.json')).json.headers['cairn-badge-left'], '0');
      const over = await call('three.json');
      assert.equal(over.code, EXIT.refused, over.stderr);
      assert.match(over.stderr, /units are used up/);
      // The consumer has paid.
      await leftByBooks(other, 997);
      // Units are a total.
      await badge('five.json', 5);
      assert.equal((await call('five.json')).json.headers['cairn-badge-left'], '1');
    });

    test('what is not answered costs no units', async () => {
      const broken = await call('five.json', 'user.key', 'cubes', '/broken');
      assert.deepEqual([broken.code, broken.json?.status], [EXIT.done, 500], broken.stderr);
      assert.equal((await call('five.json')).json.headers['cairn-badge-left'], '0');
    });

    test('a badge serves nobody else, nothing else, and not when it was changed', async () => {
      const stranger = await call('five.json', 'stranger.key');
      assert.equal(stranger.code, EXIT.usage);
      assert.match(stranger.stderr, /another user's/);
      const elsewhere = await call('five.json', 'user.key', 'squares');
      assert.equal(elsewhere.code, EXIT.usage);
      assert.match(elsewhere.stderr, /the badge is for `cubes`/);
      const changed = JSON.parse(readFileSync(file('five.json'), 'utf8'));
      const bytes = Buffer.from(changed.badge, 'base64url');
      bytes.writeBigUInt64LE(1_000_000n, 168);
      changed.badge = bytes.toString('base64url');
      writeFileSync(file('forged.json'), JSON.stringify(changed));
      const forged = await call('forged.json');
      assert.equal(forged.code, EXIT.usage);
      assert.match(forged.stderr, /signature is not its signer's/);
      // The same bytes, said to the provider's proxy itself: a badge alone opens nothing.
      const alone = await fetch(`${other.url}/square/1`, { headers: { 'cairn-session': '11'.repeat(16), 'cairn-badge': changed.badge } });
      assert.equal(alone.status, 402);
      assert.equal((await alone.json()).wanted, 'session');
    });

    test('a signer that is revoked has signed for nothing', async () => {
      await badge('many.json', 1_000);
      assert.equal((await call('many.json')).code, EXIT.done);
      await fund(file('first'), '--revoke');
      await until('it is refused', async () => (await call('many.json')).code === EXIT.refused);
      const { code, stderr } = await cli.run('api', 'badge', '--api', String(other.api), '--user', user.key, '--units', '5',
        ...inMarket('--data', file('first')), ...as(consumer));
      assert.equal(code, EXIT.usage);
      assert.match(stderr, /not authorised/);
    });
  });

  describe('what ends', { concurrency: false }, () => {
    const eve = as('//Eve');
    const api = (...command) => cli.ok('api', ...command, ...inMarket());

    test('what a plan earns is collected; a subscription is cancelled, a plan is closed', async () => {
      const number = String(provider.api);
      // So dear that some seconds of it are worth more than the fee for collecting them.
      await api('plans', number, '--add', 'dear', '--price', '10000', '--units', '10', '--days', '1', ...as('//Bob'));
      await api('fund', '--deposit', '20000', '--data', file('dear'), '--cap', '1', ...eve);
      const dear = (...args) => api('plans', number, '--data', file('dear'), ...args, ...eve);
      await dear('--subscribe', '1');
      await dear('--subscribe', '1');
      const { address } = await devAccount('Eve');
      const due = async (...args) => (await provider.earnings('--subscriber', address, ...args)).plans;
      await until('it has earned something', async () => BigInt((await due()).due.units) > 10n ** 12n);
      const { collected_now: collected } = await due('--redeem');
      assert.ok(BigInt(collected.units) > 10n ** 12n, collected.text);
      const { refund } = await dear('--cancel');
      assert.equal(refund.units, String(10_000n * 10n ** 12n), 'the period that has not begun');
      const twice = await cli.run('api', 'plans', number, ...inMarket('--data', file('dear'), '--cancel'), ...eve);
      assert.equal(twice.code, EXIT.refused, twice.stderr);
      assert.equal((await api('plans', number, '--close', '1', ...as('//Bob'))).open, false);
      const closed = await cli.run('api', 'plans', number, ...inMarket('--data', file('dear'), '--subscribe', '1'), ...eve);
      assert.equal(closed.code, EXIT.refused, closed.stderr);
    });

    test('a signer that was revoked is closed, and what it had promised is free', async () => {
      const data = ['--data', file('dear')];
      await api('fund', '--revoke', ...data, ...eve);
      await until('it has thawed', async () => (await cli.run('api', 'fund', '--close', ...inMarket(...data), ...eve)).code === EXIT.done);
      const again = await cli.run('api', 'fund', '--close', ...inMarket(...data), ...eve);
      assert.notEqual(again.code, EXIT.done, 'there is nothing to close');
    });

    test('an API is paused, goes on, and ends; its bond comes back', async () => {
      const number = String(provider.api);
      const status = async () => (await api('show', number)).status;
      const bob = as('//Bob');
      await provider.process.stop();
      await api('pause', number, ...bob);
      assert.equal(await status(), 'paused');
      await api('resume', number, ...bob);
      assert.equal(await status(), 'active');
      const early = await cli.run('api', 'bond', number, ...inMarket(), ...bob);
      assert.equal(early.code, EXIT.refused, 'it is needed');
      await api('retire', number, ...bob);
      assert.equal(await status(), 'retired');
      await until('the bond has thawed', async () => (await cli.run('api', 'bond', number, ...inMarket(), ...bob)).code === EXIT.done);
      const stranger = await cli.run('api', 'resume', number, ...inMarket(), ...eve);
      assert.equal(stranger.code, EXIT.refused);
    });
  });
});
