// SPDX-License-Identifier: Apache-2.0
// Whom to trust: a provider that contradicts itself loses its bond; certificates; a document in a drive.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cli, EXIT } from './lib/cli.mjs';
import { ApiProvider, ApiProxy, SQUARES, startMarket, Upstream } from './lib/market.mjs';
import { startVaults } from './lib/vaults.mjs';
import { seconds, until } from './lib/wait.mjs';

const consumer = '//Dave';

describe('trust between consumers and providers', { concurrency: false, timeout: seconds(900) }, () => {
  let network, cli, market, openapi;
  const upstreams = [];
  const file = (name) => join(network.dir, name);
  const as = (account) => ['--account', account, '--yes'];
  const show = (api) => cli.ok('api', 'show', String(api), '--contract', market);
  const upstream = async (options) => {
    upstreams.push(await Upstream.start(options));
    return upstreams.at(-1);
  };

  before(async () => {
    ({ network, cli, market, openapi } = await startMarket());
    await cli.ok('api', 'fund', '--contract', market, '--data', file('consumer'), '--deposit', '20', '--cap', '10', ...as(consumer));
  });

  after(async () => {
    await Promise.all(upstreams.map((server) => server.close()));
    await network?.close();
  });

  test('a provider that answers differently each time is caught with its own signatures, and its bond is gone', async () => {
    const fickle = await ApiProvider.start({
      network, cli, market, name: 'fickle', openapi, account: '//Bob', upstream: await upstream({ wrong: 'fickle' }), price: '0.001',
    });
    const proxy = await ApiProxy.start({ network, cli, market, account: consumer, args: ['--cross-check-every', '1', '--attest-every', '1000000'] });
    try {
      assert.equal((await proxy.get('/fickle/square/5')).status, 200, 'once it looks like any other');
      const proof = await until('the proof is kept', async () => (await proxy.status()).conflicts[0]);
      assert.equal(await proxy.metric('cairn_api_conflicts_total'), 1);
      assert.equal(await proxy.metric('cairn_api_proofs'), 1);
      assert.match(proxy.process.tail(), /has signed two answers to one request/);
      assert.ok((await proxy.seller('fickle', fickle.api)).avoided);

      const before = await show(fickle.api);
      assert.equal(before.bond.text, '1 CRN');
      const report = () => cli.run('api', 'report', proof, ...as('//Eve'));
      const { code, json, stderr } = await report();
      assert.equal(code, EXIT.done, stderr);
      assert.equal(json.reward.text, '0.5 CRN');
      const now = await show(fickle.api);
      assert.deepEqual([now.status, now.bond.units], ['retired', '0']);
      const again = await report();
      assert.equal(again.code, EXIT.refused);
      assert.match(again.stderr, /no bond any more/);

      const forged = network.file('forged.json', readFileSync(proof, 'utf8').replace(/"second": ".{8}/, '"second": "AAAAAAAA'));
      const wrong = await cli.run('api', 'report', forged, ...as('//Eve'));
      assert.equal(wrong.code, EXIT.usage);
      assert.match(wrong.stderr, /not what was signed/);
    } finally {
      await proxy.process.stop();
      await fickle.process.stop();
    }
  });

  test('an https endpoint with a certificate of one\'s own, and the document in a drive', async () => {
    const tls = { cert: file('cert.pem'), key: file('key.pem') };
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE',
      '-keyout', tls.key, '-out', tls.cert], { stdio: 'ignore' });
    const vaults = await startVaults(network, cli, 4);
    const { drive } = await cli.ok('drive', 'create', 'documents', '--capacity', '16MiB', ...as('//Charlie'));
    const secure = await ApiProvider.start({
      network, cli, market, name: 'secure', openapi, account: '//Charlie', upstream: await upstream(), price: '0.001', tls,
      args: ['--drive', String(drive)],
    });
    const start = (...args) => ApiProxy.start({ network, cli, market, account: consumer, label: 'secure-proxy', args });
    try {
      const { document, endpoints } = await show(secure.api);
      assert.deepEqual(endpoints, [secure.url]);
      assert.ok(document.startsWith('cairn:') && document.length <= 256, document);
      // Whoever has the link has the document: no account is needed.
      mkdirSync(file('stranger'));
      await new Cli({ dir: file('stranger'), url: cli.url }).ok('get', document, file('document.yaml'));
      assert.equal(readFileSync(file('document.yaml'), 'utf8'), SQUARES);
      // A link is made once, not at each start.
      await secure.process.stop();
      await secure.start();
      assert.equal((await show(secure.api)).document, document);

      let proxy = await start();
      const refused = await proxy.get('/secure/square/3');
      assert.equal(refused.status, 502);
      assert.match((await refused.json()).error, /certificate/i);
      await proxy.process.stop();
      proxy = await start('--ca', tls.cert);
      assert.deepEqual(await (await proxy.get('/secure/square/3')).json(), { n: 3, square: 9 });
      await proxy.process.stop();
    } finally {
      await secure.process.stop();
      await Promise.all(vaults.map((vault) => vault.kill()));
    }
  });
});
