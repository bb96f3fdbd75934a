// SPDX-License-Identifier: Apache-2.0
// Calls through both proxies, against the server behind them directly and against nginx before it, in the same run; and
// what vouchers cost, off the chain and on it. See scripts/bench.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { devAccount } from '../lib/chain.mjs';
import { Cli } from '../lib/cli.mjs';
import { ApiProvider, ApiProxy, deployMarketplace, SQUARES } from '../lib/market.mjs';
import { Network } from '../lib/network.mjs';
import { binary } from '../lib/paths.mjs';
import { freePorts } from '../lib/ports.mjs';
import { Background } from '../lib/processes.mjs';
import { until } from '../lib/wait.mjs';
import { redeems } from './redeems.mjs';
import { Usage } from './usage.mjs';

const { values: options } = parseArgs({ options: {
  seconds: { type: 'string', default: '8' },
  connections: { type: 'string', default: '32' },
  rounds: { type: 'string', default: '3' },
  redeems: { type: 'string', default: '4096' },
  json: { type: 'string' },
} });
const tool = binary('examples/api_bench');
const run = promisify(execFile);
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const round = (number, digits = 0) => Number(number.toFixed(digits));

const network = await Network.dev();
try {
  const [node] = network.nodes;
  await node.waitFinalized(2);
  const cli = new Cli({ dir: network.dir, url: node.url });
  const market = await deployMarketplace(cli, node);
  const openapi = network.file('squares.yaml', SQUARES);
  const [upstreamPort, nginxPort] = await freePorts(2);
  const upstream = new Background({
    name: 'upstream', command: tool, args: ['upstream', `127.0.0.1:${upstreamPort}`], log: join(network.dir, 'upstream.log'),
  });
  const direct = `http://127.0.0.1:${upstreamPort}`;
  network.file('nginx.conf', `
daemon off; master_process off; pid ${join(network.dir, 'nginx.pid')}; error_log ${join(network.dir, 'nginx-error.log')};
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${network.dir}; proxy_temp_path ${network.dir}; fastcgi_temp_path ${network.dir};
  uwsgi_temp_path ${network.dir}; scgi_temp_path ${network.dir};
  keepalive_requests 100000000;
  upstream behind { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${nginxPort}; location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}`);
  const nginx = new Background({
    name: 'nginx', command: 'nginx', args: ['-c', join(network.dir, 'nginx.conf'), '-p', network.dir],
    env: { PATH: `${process.env.PATH}:/usr/sbin` }, log: join(network.dir, 'nginx.log'),
  });
  const provider = await ApiProvider.start({
    network, cli, market, name: 'squares', openapi, account: '//Bob', upstream: { url: direct }, price: '0.000001',
    args: ['--rate', '1000000', '--redeem-after', '100000', '--redeem-fees', '1000000000'],
  });
  const data = join(network.dir, 'consumer');
  await cli.ok('api', 'fund', '--contract', market, '--data', data, '--deposit', '100', '--cap', '50', '--account', '//Alice', '--yes');
  const start = (label, every) => ApiProxy.start({
    network, cli, market, account: '//Alice', label, data, args: ['--attest-every', every, '--step-max', '0.5'],
  });
  let proxy = await start('proxy', '16');
  await until('nginx answers', async () => (await fetch(`http://127.0.0.1:${nginxPort}/square/7`)).ok);

  const ways = {
    direct: () => ({ url: direct, processes: { upstream } }),
    nginx: () => ({ url: `http://127.0.0.1:${nginxPort}`, processes: { nginx } }),
    proxies: () => ({ url: `${proxy.url}/squares`, processes: { provider: provider.process, consumer: proxy.process } }),
  };
  const measure = async (way, connections) => {
    const { url, processes } = ways[way]();
    const usage = Object.entries(processes).map(([name, { pid }]) => [name, new Usage(pid)]);
    const { stdout } = await run(tool, ['load', `${url}/square/7`, String(connections), options.seconds]);
    const result = JSON.parse(stdout);
    if (result.failed > 0) throw new Error(`${result.failed} calls of ${way} failed`);
    const cores = Object.fromEntries(usage.map(([name, measured]) => [name, measured.end().cores]));
    const per = Object.fromEntries(Object.entries(cores).map(([name, used]) => [name, result.calls_per_second / used]));
    return { ...result, cores, calls_per_core_second: per };
  };
  const results = {};
  for (const connections of [1, Number(options.connections)]) {
    const rounds = { direct: [], nginx: [], proxies: [] };
    for (let i = 0; i < Number(options.rounds); i++) {
      for (const way of Object.keys(ways)) rounds[way].push(await measure(way, connections));
    }
    results[connections] = Object.fromEntries(Object.entries(rounds).map(([way, list]) => {
      const of = (key) => median(list.map((result) => result[key]));
      const per = {};
      for (const name of Object.keys(list[0].calls_per_core_second)) {
        per[name] = round(median(list.map((result) => result.calls_per_core_second[name])));
      }
      return [way, { calls_per_second: round(of('calls_per_second')), p50_us: of('p50_us'), p99_us: of('p99_us'), calls_per_core_second: per }];
    }));
    const { direct: bare, nginx: plain, proxies: both } = results[connections];
    console.log(`${connections} connections`);
    for (const [way, result] of Object.entries(results[connections])) {
      console.log(`  ${way.padEnd(8)} ${String(result.calls_per_second).padStart(7)} calls/s  p50 ${result.p50_us} us  p99 ${result.p99_us} us  `
        + `calls a core second: ${JSON.stringify(result.calls_per_core_second)}`);
    }
    console.log(`  both proxies: ${round(both.calls_per_second / bare.calls_per_second, 2)} of direct, `
      + `${round(both.calls_per_second / plain.calls_per_second, 2)} of nginx; p50 ${both.p50_us - bare.p50_us} us more than direct, p99 ${both.p99_us - bare.p99_us} us`);
  }
  await proxy.process.stop();
  proxy = await start('signed', '1');
  const signed = await measure('proxies', Number(options.connections));
  console.log(`every answer signed and checked: ${round(signed.calls_per_second)} calls/s, ${JSON.stringify(signed.calls_per_core_second)}`);
  const vouchers = JSON.parse((await run(tool, ['vouchers', '3'])).stdout);
  console.log(`vouchers a core second: ${round(vouchers.sign_per_second)} signed, ${round(vouchers.check_per_second)} checked; `
    + `${round(vouchers.durable_per_second)} a second signed, checked and on the disk`);
  const earned = await provider.earnings();
  await Promise.all([nginx, upstream, provider.process, proxy.process].map((process) => process.stop()));
  let redeemed = null;
  if (Number(options.redeems) > 0) {
    const { publicKey } = await devAccount('Bob');
    redeemed = await redeems({ url: node.url, market, provider: publicKey, api: provider.api, count: Number(options.redeems) });
    console.log(`${redeemed.vouchers} vouchers of as many signers of ${redeemed.consumers} consumers: ${round(redeemed.perSecond)} redeemed a second, `
      + `${round(redeemed.weightMs, 2)} ms each; blocks of ${redeemed.perBlock.join(', ')}, ${round(100 * redeemed.shareOfNormal)}% of what calls may take `
      + `(${round(100 * redeemed.shareOfBlock)}% of a block)`);
  }
  const result = { seconds: Number(options.seconds), results, signed, vouchers, redeemed, calls: earned.consumers[0].calls };
  if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  await network.close();
}
