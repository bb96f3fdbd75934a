// SPDX-License-Identifier: Apache-2.0
// A provider that is not the product: it claims what it likes, and sends consumers where it likes.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ApiProvider, ApiProxy, raw, startMarket, Upstream } from './lib/market.mjs';
import { seconds } from './lib/wait.mjs';

const consumer = '//Dave';

/** Stands before an honest provider's proxy, and changes what it says. */
class Liar {
  static async start(change) {
    const liar = new Liar();
    liar.server = createServer((request, response) => liar.answer(request, response, change).catch(() => response.destroy()));
    await new Promise((resolve) => { liar.server.listen(0, '127.0.0.1', resolve); });
    liar.url = `http://127.0.0.1:${liar.server.address().port}`;
    return liar;
  }

  async answer(request, response, change) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { host, ...headers } = request.headers;
    const honest = await raw(`${this.behind}${request.url}`, { method: request.method, headers, body: Buffer.concat(parts) });
    const told = change({ request, ...honest });
    const { 'transfer-encoding': _, 'content-length': __, ...rest } = told.headers;
    response.writeHead(told.status, { ...rest, 'content-length': told.body.length });
    response.end(told.body);
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => { this.server.close(resolve); });
  }
}

describe('hostile providers', { concurrency: false, timeout: seconds(600) }, () => {
  let network, cli, market, openapi, upstream;
  const liars = [];

  before(async () => {
    ({ network, cli, market, openapi } = await startMarket());
    upstream = await Upstream.start();
    await cli.ok('api', 'fund', '--contract', market, '--data', join(network.dir, 'consumer'), '--deposit', '100', '--cap', '50',
      '--account', consumer, '--yes');
  });

  after(async () => {
    await Promise.all([...liars, upstream].map((server) => server?.close()));
    await network?.close();
  });

  /** An API at a liar's endpoint, with the honest proxy behind it. */
  async function behindLiar(name, change, endpoints = (url) => [url]) {
    const liar = await Liar.start(change);
    liars.push(liar);
    const provider = await ApiProvider.start({
      network, cli, market, name, openapi, account: '//Bob', upstream, price: '0.0001',
      args: endpoints(liar.url).flatMap((url) => ['--endpoint', url]),
    });
    liar.behind = provider.url;
    return provider;
  }

  test('a provider that answers 402 to each call, and counts all of each step as used, is paid two small steps in all', async () => {
    let account = { epoch: 1, value: '0', spent: '0', calls: 0, units: 0 };
    const claims = (text) => {
      const told = JSON.parse(text);
      return { ...told, spent: told.value };
    };
    const provider = await behindLiar('thief', ({ request, status, headers, body }) => {
      if (request.url.endsWith('/pay') && status === 200) {
        account = claims(body);
        return { status, headers, body: Buffer.from(JSON.stringify(account)) };
      }
      if (request.url.startsWith('/.well-known')) return { status, headers, body };
      // Whatever was paid, it is never enough.
      const offer = {
        type: 'cairn-offer/v1', wanted: 'credit', message: 'more', genesis: '', contract: '', api: provider.api, name: 'thief', provider: '',
        unit_price: '100000000', units: 1, price: '100000000', free_units: 0, ahead_max: '0', pay: { scheme: '', signer: '', steps: [] },
      };
      return { status: 402, headers: { 'content-type': 'application/json', 'cairn-refused': '1' }, body: Buffer.from(JSON.stringify({ ...offer, account })) };
    });
    const proxy = await ApiProxy.start({ network, cli, market, account: consumer, label: 'robbed' });
    try {
      for (let i = 0; i < 12; i++) assert.notEqual((await proxy.get('/thief/square/2')).status, 200);
      const { spent } = await proxy.status();
      assert.ok(BigInt(spent.total) <= 25_000_000_000n, `${spent.total} plancks were promised for nothing`);
      await proxy.process.kill();
      await proxy.start();
      for (let i = 0; i < 6; i++) await proxy.get('/thief/square/2');
      const after = (await proxy.status()).spent;
      assert.ok(BigInt(after.total) <= 50_000_000_000n, `${after.total} plancks after a restart`);
    } finally {
      await proxy.process.stop();
      await provider.process.stop();
    }
  });

  test('an endpoint on this machine is not called unless the user allows that', async () => {
    const local = createServer((request, response) => { local.asked = (local.asked ?? 0) + 1; response.end('{}'); });
    await new Promise((resolve) => { local.listen(0, '127.0.0.1', resolve); });
    liars.push({ close: () => new Promise((resolve) => { local.closeAllConnections(); local.close(resolve); }) });
    const service = `http://127.0.0.1:${local.address().port}/v1/containers`;
    const provider = await behindLiar('rotten', ({ request, status, headers, body }) => (
      request.url.startsWith('/.well-known') ? { status, headers, body } : { status: 500, headers: {}, body: Buffer.from('no') }
    ), (url) => [url, service]);
    const proxy = await ApiProxy.start({ network, cli, market, account: consumer, label: 'rotated' });
    try {
      for (let i = 0; i < 5; i++) await proxy.get('/rotten/square/2');
      // Allowed here, so it may be asked for what providers answer; but no call goes there with another endpoint's session.
      const { status } = await proxy.get('/rotten/square/2');
      assert.notEqual(status, 200);
      await proxy.process.stop();
      local.asked = 0;
      const strict = await cli.run('api', 'call', 'rotten', '/square/2', '--contract', market, '--data', proxy.data, '--account', consumer, '--yes');
      assert.notEqual(strict.code, 0);
      assert.match(strict.stderr, /--allow-local/);
      assert.equal(local.asked, 0, 'nothing on this machine was asked');
    } finally {
      await proxy.process.stop();
      await provider.process.stop();
    }
  });
});
