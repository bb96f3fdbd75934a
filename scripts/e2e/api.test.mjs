// SPDX-License-Identifier: Apache-2.0
// APIs sold and bought: real servers, real proxies, a real chain with the real contract.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { EXIT } from './lib/cli.mjs';
import { ApiProvider, ApiProxy, bundle, raw, SQUARES, startMarket, Upstream } from './lib/market.mjs';
import { seconds, until } from './lib/wait.mjs';

describe('the marketplace of APIs', { concurrency: false }, () => {
  let network, cli, market, openapi, cheap, dear, upstreams;
  const consumer = '//Dave';
  const balance = async (account) => BigInt((await cli.ok('account', 'show', account)).free.units);
  const fund = (data, ...args) => cli.ok('api', 'fund', '--contract', market, '--data', data, ...args, '--account', consumer, '--yes');
  const squares = async (proxy, from, count) => {
    const answers = await Promise.all(Array.from({ length: count }, (_, i) => proxy.get(`/squares/square/${from + i}`)));
    for (const [i, answer] of answers.entries()) {
      assert.equal(answer.status, 200, await answer.clone().text());
      assert.deepEqual(await answer.json(), { n: from + i, square: (from + i) ** 2 });
    }
  };

  before(async () => {
    ({ network, cli, market, openapi } = await startMarket());
    upstreams = { cheap: await Upstream.start({ latencyMs: 3 }), dear: await Upstream.start() };
    // Nothing is redeemed before a test asks for it, however slow the machine is.
    const args = ['--redeem-after', '100000', '--redeem-fees', '100000', '--body-max', '4MiB'];
    const common = { network, cli, market, name: 'squares', openapi, args };
    [cheap, dear] = await Promise.all([
      ApiProvider.start({ ...common, account: '//Bob', upstream: upstreams.cheap, price: '0.001' }),
      ApiProvider.start({ ...common, account: '//Charlie', upstream: upstreams.dear, price: '0.01' }),
    ]);
  });

  after(async () => {
    await Promise.all(Object.values(upstreams ?? {}).map((upstream) => upstream.close()));
    await network?.close();
  });

  test('both offers are listed with their prices', async () => {
    const offers = await cli.ok('api', 'list', '--name', 'squares', '--contract', market);
    const prices = offers.map(({ unit_price }) => unit_price.text).sort();
    assert.deepEqual(prices, ['0.001 CRN', '0.01 CRN']);
    const shown = await cli.ok('api', 'show', String(cheap.api), '--contract', market);
    const named = new Map(shown.methods.map((method) => [method.name, method]));
    assert.deepEqual([...named.keys()].sort(), ['broken', 'busy', 'bytes', 'echo', 'moved', 'square', 'upload']);
    assert.equal(named.get('echo').units, 2);
    assert.deepEqual(shown.endpoints, [cheap.url]);
  });

  test('an address that is no marketplace is called that, whatever is asked of it', async () => {
    // [0x9bae9d5e, true]: the constructor `new`, and `on`.
    const flipper = await cli.ok('contract', 'instantiate', bundle('flipper'), '--data', '0x9bae9d5e01', '--account', '//Alice', '--yes');
    const { address: nobody } = await cli.ok('account', 'show', '//Nobody');
    for (const [contract, why] of [[flipper.contract, /has no message/], [nobody, /there is no contract/]]) {
      for (const command of [
        ['list'], ['show', '0'], ['plans', '0'], ['rate', '0', '5'], ['fund', '--deposit', '1'], ['withdraw', '1'], ['earnings', '0'],
        ['call', 'squares', '/square/1'], ['proxy'], ['publish', '--openapi', openapi, '--price', '1'],
      ]) {
        const { code, stderr } = await cli.run('api', ...command, '--contract', contract, '--account', '//Eve', '--yes');
        assert.equal(code, EXIT.refused, `${command[0]}: ${stderr}`);
        assert.ok(stderr.includes(`${contract} is no marketplace`), `${command[0]}: ${stderr}`);
        assert.match(stderr, why, command[0]);
        assert.match(stderr, /give the address of a marketplace/, command[0]);
      }
    }
  });

  test('without payment there is an offer that a machine can read', async () => {
    const answer = await fetch(`${cheap.url}/square/3`);
    assert.equal(answer.status, 402);
    const offer = await answer.json();
    assert.equal(offer.type, 'cairn-offer/v1');
    assert.equal(offer.wanted, 'session');
    assert.equal(offer.contract, market);
    assert.equal(offer.price, '1000000000');
    assert.equal(offer.units, 1);
    assert.equal(offer.pay.scheme, 'cairn-voucher/v1');
    assert.equal(upstreams.cheap.calls, 0, 'nothing reached the server behind');
  });

  test('what the document does not have is refused before it is paid for', async () => {
    for (const [path, options, status] of [
      ['/square/-1', {}, 400], ['/square/x', {}, 400], ['/square/1?more=1', {}, 400], ['/cube/1', {}, 404],
      ['/square/1', { method: 'DELETE' }, 405],
    ]) {
      const answer = await fetch(`${cheap.url}${path}`, options);
      assert.equal(answer.status, status, path);
      assert.ok((await answer.json()).error.length > 10);
    }
    const rubbish = { 'cairn-session': 'x'.repeat(40) };
    assert.equal((await fetch(`${cheap.url}/square/1`, { headers: rubbish })).status, 400);
    const voucher = { 'cairn-session': '00'.repeat(16), 'cairn-open': 'AAAA', 'cairn-voucher': 'AAAA' };
    assert.equal((await fetch(`${cheap.url}/square/1`, { headers: voucher })).status, 400);
    assert.equal(upstreams.cheap.calls, 0);
  });

  test('a machine without a key is told to fund it', async () => {
    const { code, stderr } = await cli.run('api', 'call', 'squares', '/square/2', '--contract', market,
      '--data', join(network.dir, 'nobody'), '--account', consumer, '--yes');
    assert.equal(code, EXIT.usage);
    assert.match(stderr, /cairn api fund/);
  });

  test('one call from the command line', async () => {
    const data = join(network.dir, 'consumer');
    // Enough for every call of the tests below at the dearer one's price.
    await fund(data, '--deposit', '200', '--cap', '100');
    const answer = await cli.ok('api', 'call', 'squares', '/square/12', '--allow-local', '--contract', market, '--data', data, '--account', consumer);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, { n: 12, square: 144 });
    const unencoded = await cli.run('api', 'call', 'squares', '/square/1 2', '--contract', market, '--data', data, '--account', consumer);
    assert.equal(unencoded.code, EXIT.usage, unencoded.stderr);
    assert.match(unencoded.stderr, /%20/);
    const nobody = await cli.run('api', 'call', 'cubes', '/cube/12', '--contract', market, '--data', data, '--account', consumer);
    assert.equal(nobody.code, EXIT.usage);
    assert.match(nobody.stderr, /nobody offers/);
  });

  describe('through the proxy', { concurrency: false }, () => {
    let proxy;
    before(async () => {
      proxy = await ApiProxy.start({ network, cli, market, account: consumer, args: ['--cross-check-every', '1000000', '--attest-every', '2', '--cap-day', '100'] });
      // The first call fetches documents and opens a session.
      await squares(proxy, 0, 1);
    });
    after(() => proxy?.process.stop());

    test('a call from the command line goes by the proxy that has the books', async () => {
      const data = join(network.dir, 'consumer');
      const used = async () => (await proxy.status()).apis.squares.reduce((sum, seller) => sum + BigInt(seller.used), 0n);
      const before = await used();
      const answer = await cli.ok('api', 'call', 'squares', '/square/11', '--contract', market, '--data', data, '--account', consumer);
      assert.deepEqual([answer.status, answer.body], [200, { n: 11, square: 121 }]);
      assert.ok(await used() > before, 'the proxy has paid');
      const wrong = await cli.run('api', 'call', 'cubes', '/cube/2', '--contract', market, '--data', data, '--account', consumer);
      assert.equal(wrong.json.status, 404, wrong.stdout);
      assert.match(wrong.stdout, /nobody offers/);
      const second = await cli.run('api', 'proxy', '--listen', '127.0.0.1:0', '--contract', market, '--data', data, '--account', consumer);
      assert.match(second.stderr, /runs already/);
    });

    test('the cheaper one gets most of the calls, and is paid ahead in steps as it delivers', async () => {
      const [before, other] = [upstreams.cheap.calls, upstreams.dear.calls];
      for (let i = 0; i < 10; i++) await squares(proxy, 100 * i, 50);
      const [to, elsewhere] = [upstreams.cheap.calls - before, upstreams.dear.calls - other];
      assert.equal(to + elsewhere, 500, 'every call was made once');
      assert.ok(to > 400, `${to} of 500 to the cheaper one`);
      const seller = await proxy.seller('squares', cheap.api);
      const [promised, used] = [BigInt(seller.promised), BigInt(seller.used)];
      assert.ok(promised >= used && used >= BigInt(to) * 1_000_000_000n);
      assert.ok(promised <= 2n * used + 200_000_000_000n, 'no further ahead than what was delivered');
      assert.ok(await proxy.metric('cairn_api_verified_total') > 100, 'signed answers were verified');
      assert.equal(await proxy.metric('cairn_api_garbage_total'), 0);
    });

    test('bodies go both ways, streamed where they are long', async () => {
      const echo = await fetch(`${proxy.url}/squares/echo`, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text: 'ä'.repeat(1000) }),
      });
      assert.deepEqual(await echo.json(), { text: 'ä'.repeat(1000) });
      const long = await proxy.get(`/squares/bytes/${8 << 20}`);
      const bytes = Buffer.from(await long.arrayBuffer());
      assert.equal(bytes.length, 8 << 20);
      assert.ok(bytes.every((byte) => byte === 7));
    });

    test('requests that no document has are refused here, for nothing', async () => {
      const calls = upstreams.cheap.calls + upstreams.dear.calls;
      for (const [path, status] of [['/squares/square/x', 400], ['/squares/none', 404], ['/nobody/x', 404]]) {
        assert.equal((await proxy.get(path)).status, status, path);
      }
      assert.equal(upstreams.cheap.calls + upstreams.dear.calls, calls);
    });

    test('only programs with the token spend, and no web page does', async () => {
      const calls = upstreams.cheap.calls + upstreams.dear.calls;
      assert.equal(statSync(proxy.tokenFile).mode & 0o777, 0o600);
      for (const [url, headers, status] of [
        [`${proxy.bare}/squares/square/1`, {}, 401],
        [`${proxy.bare}/`, {}, 401],
        [`${proxy.bare}/key_${'0'.repeat(32)}/squares/square/1`, {}, 401],
        [`${proxy.url}/squares/square/1`, { origin: 'https://evil.example' }, 403],
        [`${proxy.url}/squares/square/1`, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }, 403],
        [`${proxy.url}/squares/square/1`, { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, 403],
        [`${proxy.url}/squares/square/1`, { referer: 'https://evil.example/' }, 403],
        [`${proxy.url}/squares/square/1`, { host: 'evil.example' }, 403],
      ]) {
        assert.equal((await raw(url, { headers })).status, status, JSON.stringify({ url, headers }));
      }
      assert.equal(upstreams.cheap.calls + upstreams.dear.calls, calls, 'nothing was called');
      const token = readFileSync(proxy.tokenFile, 'utf8').trim();
      const byHeader = await raw(`${proxy.bare}/squares/square/4`, { headers: { 'cairn-token': token } });
      assert.equal(byHeader.status, 200);
      assert.equal(byHeader.headers['x-content-type-options'], 'nosniff');
      assert.match(byHeader.headers['content-security-policy'], /sandbox/);
      const { url } = await cli.ok('api', 'url', 'squares', '--proxy', `127.0.0.1:${proxy.port}`, '--contract', market, '--data', proxy.data,
        '--account', consumer);
      assert.equal(url, `${proxy.url}/squares`);
    });

    test('no cookies, no credentials and nothing of the caller go to a provider, and nothing of a page comes back', async () => {
      const seen = [];
      for (const upstream of [upstreams.cheap, upstreams.dear]) upstream.seen = seen;
      const answer = await raw(`${proxy.url}/squares/square/6`, { headers: {
        cookie: 'jupyter=secret', authorization: 'Bearer secret', 'x-forwarded-for': '10.0.0.1', 'x-original-url': '/admin', connection: 'keep-alive, x-b',
        'x-b': '1', 'x-http-method-override': 'DELETE', 'x-api-key': 'kept',
      } });
      assert.equal(answer.status, 200);
      const headers = seen.at(-1);
      for (const name of ['cookie', 'authorization', 'x-forwarded-for', 'x-original-url', 'x-http-method-override', 'x-b', 'cairn-session', 'cairn-token']) {
        assert.equal(headers[name], undefined, name);
      }
      assert.equal(headers['x-api-key'], 'kept');
      assert.match(headers['cairn-consumer'], /^0x[0-9a-f]{64}$/);
      for (const name of ['set-cookie', 'access-control-allow-origin', 'clear-site-data']) assert.equal(answer.headers[name], undefined, name);
    });

    test('a body that is too long to be kept is sent whole or not at all', async () => {
      const send = (url) => raw(`${url}/squares/upload`, { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: Buffer.alloc(3 << 20, 1) });
      const first = await send(proxy.url);
      assert.deepEqual([first.status, JSON.parse(first.body).bytes], [200, 3 << 20]);
      // The providers forget the session; their credit is used up; they take one call a second.
      await Promise.all([cheap, dear].map((provider) => provider.process.kill()));
      await Promise.all([cheap, dear].map((provider) => provider.start([...provider.args, '--rate', '1'])));
      for (let i = 0; i < 6; i++) {
        const answer = await send(proxy.url).catch((error) => ({ status: 0, body: String(error) }));
        if (answer.status === 200) assert.equal(JSON.parse(answer.body).bytes, 3 << 20, 'never empty');
      }
      await Promise.all([cheap, dear].map((provider) => provider.process.stop()));
      await Promise.all([cheap, dear].map((provider) => provider.start()));
      await until('they are asked again', async () => (await proxy.get('/squares/square/5')).status === 200);
    });

    test('an upstream that takes no more calls is told as it is, once, and costs nothing', async () => {
      const before = await proxy.status();
      const calls = upstreams.cheap.calls + upstreams.dear.calls;
      const answer = await raw(`${proxy.url}/squares/busy`);
      assert.deepEqual([answer.status, answer.headers['retry-after']], [429, '7']);
      assert.ok(upstreams.cheap.calls + upstreams.dear.calls <= calls + 2, 'each was asked once');
      const used = (state) => state.apis.squares.reduce((sum, seller) => sum + BigInt(seller.used), 0n);
      assert.equal(used(await proxy.status()), used(before));
    });

    test('compressed answers, and parts of answers, are no garbage', async () => {
      const answer = await raw(`${proxy.url}/squares/square/8`, { headers: { 'accept-encoding': 'gzip, deflate, br' } });
      assert.deepEqual([answer.status, JSON.parse(answer.body).square], [200, 64]);
      const part = await raw(`${proxy.url}/squares/bytes/100`, { headers: { range: 'bytes=0-9' } });
      assert.deepEqual([part.status, part.body.length], [206, 10]);
      assert.equal(await proxy.metric('cairn_api_garbage_total'), 0);
    });

    test('a redirect stays below the API, and tells nothing of the server behind', async () => {
      const answer = await raw(`${proxy.url}/squares/moved`);
      assert.deepEqual([answer.status, answer.headers.location], [302, `${new URL(proxy.url).pathname}/squares/square/3`]);
    });

    test('what the upstream fails costs nothing, and is told as it is', async () => {
      const before = await proxy.status();
      const answer = await proxy.get('/squares/broken');
      assert.equal(answer.status, 500);
      assert.equal(await answer.text(), 'broken');
      const used = (state) => state.apis.squares.reduce((sum, seller) => sum + BigInt(seller.used), 0n);
      assert.equal(used(await proxy.status()), used(before));
      // Both are left alone for a moment after a failure.
      await until('they are asked again', async () => (await proxy.get('/squares/square/5')).status === 200);
    });

    test('a provider that dies is left for another, in the middle of calls', async () => {
      // It is left alone for a moment after what failed in the test before.
      await until('it is asked', async () => {
        const { calls } = upstreams.cheap;
        await squares(proxy, 900, 20);
        return upstreams.cheap.calls > calls;
      });
      const running = squares(proxy, 1000, 300);
      await cheap.process.kill();
      await running;
      // On a busy machine a burst may make it look slow, and then it is asked one time in twenty.
      await until('it is known to be gone', async () => {
        await squares(proxy, 2000, 20);
        return (await proxy.seller('squares', cheap.api)).failures > 0;
      });
    });

    test('a provider that was killed has its vouchers, and turns them into coins', async () => {
      const { consumers, due } = await cheap.earnings();
      assert.equal(consumers.length, 1);
      const promised = BigInt((await proxy.seller('squares', cheap.api)).promised);
      assert.equal(BigInt(consumers[0].promised.units), promised, 'the best voucher is there');
      assert.equal(BigInt(due.units), promised);
      const had = await balance('//Bob');
      await cheap.start(['--redeem-fees', '1', '--redeem-after', '1']);
      await until('the voucher is redeemed', async () => BigInt((await cheap.earnings()).due.units) === 0n, { timeoutMs: seconds(90) });
      const { redeemed } = await cheap.earnings();
      assert.equal(BigInt(redeemed.units), promised, 'exactly once');
      assert.ok(await balance('//Bob') > had, 'that was more than the fee');
      await until('it is called again', async () => {
        const { calls } = upstreams.cheap;
        await squares(proxy, 3000, 20);
        return upstreams.cheap.calls > calls;
      });
    });

    test('what was seen of the provider is attested, as far as it was paid for', async () => {
      const attest = (account) => cli.run('api', 'attest', String(cheap.api), '--contract', market, '--data', proxy.data, '--account', account, '--yes');
      await until('what was seen is written', () => existsSync(join(proxy.data, 'seen.json')));
      const { code, json, stderr } = await attest(consumer);
      assert.equal(code, EXIT.done, stderr);
      const { quality } = await cli.ok('api', 'show', String(cheap.api), '--contract', market);
      assert.ok(json.calls > 0 && json.calls <= quality.calls && json.failed <= json.calls, JSON.stringify({ json, quality }));
      assert.deepEqual(quality.by_consumers, { calls: json.calls, failed: json.failed });
      const stranger = await attest('//Ferdie');
      assert.equal(stranger.code, EXIT.usage, stranger.stderr);
      assert.match(stranger.stderr, /no calls are paid for/);
    });

    test('the books of a proxy that is killed go on where they were', async () => {
      const before = await proxy.status();
      await proxy.process.kill();
      await proxy.start();
      await squares(proxy, 4000, 20);
      const after = await proxy.status();
      assert.ok(BigInt(after.spent.total) >= BigInt(before.spent.total));
      assert.equal(await proxy.metric('cairn_api_garbage_total'), 0, 'nobody was called a liar for it');
    });
  });

  test('the caps hold, and over restarts', async () => {
    const data = join(network.dir, 'capped');
    await fund(data, '--cap', '5');
    const args = ['--cap-total', '0.2', '--cap-day', '0.2', '--step-min', '0.04', '--step-max', '0.04'];
    const proxy = await ApiProxy.start({ network, cli, market, account: consumer, label: 'capped', data, args });
    try {
      const until402 = async () => {
        for (let i = 0; i < 400; i++) {
          const answer = await proxy.get(`/squares/square/${i}`);
          if (answer.status !== 200) return { answer, i };
        }
        return assert.fail('no cap held');
      };
      const { answer, i } = await until402();
      assert.equal(answer.status, 402);
      assert.match((await answer.json()).error, /cap of 0.2 CRN/);
      assert.ok(i >= 20, `${i} calls for the cap`);
      assert.ok(BigInt((await proxy.status()).spent.total) <= 200_000_000_000n);
      await proxy.process.kill();
      await proxy.start();
      await until402();
      assert.ok(BigInt((await proxy.status()).spent.total) <= 200_000_000_000n);
      await proxy.process.kill();
      await proxy.start([...args, '--cap-call', '0.00001']);
      const { error } = await (await proxy.get('/squares/square/1')).json();
      assert.match(error, /cap for one call/);
    } finally {
      await proxy.process.stop();
    }
  });

  test('garbage never reaches the caller, and its provider is avoided', async () => {
    upstreams.garbage = await Upstream.start({ wrong: 'shape' });
    const garbage = await ApiProvider.start({
      network, cli, market, name: 'squares', openapi, account: '//Eve', upstream: upstreams.garbage, price: '0.0001',
    });
    const data = join(network.dir, 'careful');
    await fund(data, '--cap', '5');
    const proxy = await ApiProxy.start({ network, cli, market, account: consumer, label: 'careful', data });
    try {
      for (let i = 0; i < 40; i++) await squares(proxy, i, 1);
      const seller = await proxy.seller('squares', garbage.api);
      assert.ok(seller.garbage >= 1 && seller.avoided_operations.includes('square'), JSON.stringify(seller));
      assert.ok(upstreams.garbage.calls <= 3, `asked ${upstreams.garbage.calls} times`);
      // What was seen is kept over a kill, once it was written.
      const seen = join(data, 'seen.json');
      await until('it is written', () => Object.values(JSON.parse(readFileSync(seen, 'utf8')).apis[garbage.api].avoided_operations)[0] > Date.now());
      await proxy.process.kill();
      await proxy.start();
      const { calls } = upstreams.garbage;
      for (let i = 0; i < 20; i++) await squares(proxy, i, 1);
      assert.ok((await proxy.seller('squares', garbage.api)).avoided_operations.includes('square'), 'still');
      assert.equal(upstreams.garbage.calls, calls);
      // A file that is damaged is no reason not to start.
      await proxy.process.kill();
      writeFileSync(seen, '{"version":1,"apis":{"0":');
      await proxy.start();
      await squares(proxy, 0, 1);
    } finally {
      await proxy.process.stop();
      await garbage.process.stop();
    }
  });

  test('a provider whose answers only look right is found out by asking others', async () => {
    upstreams.liar = await Upstream.start({ wrong: 'value' });
    const liar = await ApiProvider.start({
      network, cli, market, name: 'squares', openapi, account: '//Ferdie', upstream: upstreams.liar, price: '0.0001',
    });
    const data = join(network.dir, 'checking');
    await fund(data, '--cap', '5');
    const args = ['--cross-check-every', '1'];
    const proxy = await ApiProxy.start({ network, cli, market, account: consumer, label: 'checking', data, args });
    try {
      await until('the liar is avoided', async () => {
        await proxy.get('/squares/square/7');
        return (await proxy.seller('squares', liar.api)).avoided;
      });
      await squares(proxy, 0, 20);
      for (const honest of [cheap, dear]) {
        assert.equal((await proxy.seller('squares', honest.api)).garbage, 0);
      }
    } finally {
      await proxy.process.stop();
      await liar.process.stop();
    }
  });

  test('prices, methods and the document change by serving anew', async () => {
    await dear.process.stop();
    assert.equal(dear.process.exit.code, 0, 'it stops in order');
    dear.price = '0.005';
    dear.openapi = network.file('more.yaml', SQUARES.replace('  /broken:', `  /more:
    get: { operationId: more, responses: { '200': { description: ok } } }
  /broken:`));
    await dear.start();
    const shown = await cli.ok('api', 'show', String(dear.api), '--contract', market);
    assert.equal(shown.unit_price.text, '0.005 CRN');
    assert.deepEqual(shown.methods.map(({ name }) => name).sort(), ['broken', 'busy', 'bytes', 'echo', 'more', 'moved', 'square', 'upload']);
  });
});
