// SPDX-License-Identifier: Apache-2.0
// The marketplace of APIs: the contract, providers with servers behind them, and a consumer's proxy.
import http, { createServer } from 'node:http';
import https from 'node:https';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Cli } from './cli.mjs';
import { Network } from './network.mjs';
import { binary } from './paths.mjs';
import { freePorts } from './ports.mjs';
import { Background } from './processes.mjs';
import { seconds, sleep, until } from './wait.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The marketplace's bundle; throws with the remedy when it was not built. */
export function marketplaceBundle() {
  return process.env.CAIRN_MARKETPLACE_BUNDLE ?? bundle('marketplace');
}

/** A contract's bundle. */
export function bundle(name) {
  const path = join(root, `contracts/target/${name}.contract`);
  if (!existsSync(path)) throw new Error(`${path} is missing: build it with scripts/contracts`);
  return path;
}

/** A number as the contract reads it. */
export const littleEndian = (value, bytes) => Buffer.from(BigInt(value).toString(16).padStart(2 * bytes, '0'), 'hex').reverse();

/** Makes a marketplace; returns its address. The treasury is whoever makes it. */
export async function deployMarketplace(cli, node, { account = '//Alice', thawMs = 2000, bondMin = 1_000_000_000_000n } = {}) {
  const genesis = await node.connection.call('chain_getBlockHash', 0);
  const shown = await cli.ok('account', 'show', account);
  const treasury = Buffer.from(shown.public_key.slice(2), 'hex');
  const data = Buffer.concat([
    Buffer.from('9bae9d5e', 'hex'), Buffer.from(genesis.slice(2), 'hex'), treasury, littleEndian(thawMs, 8), littleEndian(bondMin, 16),
  ]);
  const made = await cli.ok('contract', 'instantiate', marketplaceBundle(), '--data', `0x${data.toString('hex')}`,
    '--account', account, '--yes');
  return made.contract;
}

/** A network with a marketplace, and the document of what is sold in it. */
export async function startMarket() {
  const network = await Network.dev();
  const [node] = network.nodes;
  await node.waitFinalized(2);
  const cli = new Cli({ dir: network.dir, url: node.url });
  const market = await deployMarketplace(cli, node);
  return { network, cli, market, openapi: network.file('squares.yaml', SQUARES) };
}

/** The API that is sold in tests: squares, echoes, and bytes. */
export const SQUARES = `
openapi: 3.1.0
info: { title: Squares, version: '1' }
paths:
  /square/{n}:
    get:
      operationId: square
      x-cairn-deterministic: true
      parameters: [{ name: n, in: path, required: true, schema: { type: integer, minimum: 0, maximum: 1000000 } }]
      responses:
        '200':
          content:
            application/json:
              schema:
                type: object
                required: [n, square]
                additionalProperties: false
                properties: { n: { type: integer }, square: { type: integer } }
  /echo:
    post:
      operationId: echo
      x-cairn-units: 2
      requestBody:
        required: true
        content: { application/json: { schema: { type: object, required: [text], properties: { text: { type: string } } } } }
      responses: { '200': { content: { application/json: { schema: { type: object, required: [text] } } } } }
  /bytes/{count}:
    get:
      operationId: bytes
      parameters: [{ name: count, in: path, required: true, schema: { type: integer, minimum: 0 } }]
      responses: { '200': { content: { application/octet-stream: {} } } }
  /broken:
    get: { operationId: broken, responses: { '200': { description: never } } }
  /busy:
    get: { operationId: busy, responses: { '200': { description: never } } }
  /moved:
    get: { operationId: moved, responses: { '302': { description: always } } }
  /upload:
    post:
      operationId: upload
      requestBody: { required: true, content: { application/octet-stream: {} } }
      responses: { '200': { content: { application/json: { schema: { type: object, required: [bytes] } } } } }
`;

/** A request by node:http, which sends every header as it is; its status, headers and body. */
export function raw(url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers }, async (response) => {
      const parts = [];
      try {
        for await (const part of response) parts.push(part);
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) });
      } catch (error) {
        reject(error);
      }
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** An HTTP server that knows nothing of the marketplace. `wrong`: what it does to its answers. */
export class Upstream {
  static async start({ latencyMs = 0, wrong = null } = {}) {
    const upstream = new Upstream();
    Object.assign(upstream, { latencyMs, wrong, calls: 0 });
    upstream.server = createServer((request, response) => upstream.answer(request, response).catch(() => response.destroy()));
    await new Promise((resolve) => { upstream.server.listen(0, '127.0.0.1', resolve); });
    upstream.url = `http://127.0.0.1:${upstream.server.address().port}`;
    return upstream;
  }

  async answer(request, response) {
    this.calls += 1;
    this.seen?.push(request.headers);
    const parts = [];
    for await (const part of request) parts.push(part);
    if (this.latencyMs > 0) await sleep(this.latencyMs);
    const json = (value) => {
      response.setHeader('content-type', 'application/json');
      for (const [name, value] of [['set-cookie', 'a=b'], ['access-control-allow-origin', '*'], ['clear-site-data', '"*"']]) response.setHeader(name, value);
      const text = JSON.stringify(value);
      if (!/gzip/.test(request.headers['accept-encoding'] ?? '')) return response.end(text);
      response.setHeader('content-encoding', 'gzip');
      return response.end(gzipSync(text));
    };
    const [, what, argument] = request.url.split('/');
    if (what === 'square') {
      const n = Number(argument);
      if (this.wrong === 'shape') return json({ squared: 'yes' });
      // Never the same twice.
      if (this.wrong === 'fickle') return json({ n, square: n * n + this.calls });
      return json({ n, square: n * n + (this.wrong === 'value' ? 1 : 0) });
    }
    if (what === 'echo') return json(JSON.parse(Buffer.concat(parts).toString()));
    if (what === 'upload') return json({ bytes: Buffer.concat(parts).length });
    if (what === 'busy') {
      response.writeHead(429, { 'retry-after': '7' });
      return response.end('later');
    }
    if (what === 'moved') {
      response.writeHead(302, { location: `${this.url}/square/3` });
      return response.end();
    }
    if (what === 'bytes') {
      response.setHeader('content-type', 'application/octet-stream');
      const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
      if (first !== undefined) {
        response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${argument}` });
        return response.end(Buffer.alloc(Number(last) - Number(first) + 1, 7));
      }
      return response.end(Buffer.alloc(Number(argument), 7));
    }
    response.statusCode = 500;
    return response.end('broken');
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => { this.server.close(resolve); });
  }
}

/** JSON from a URL; `ca` is a certificate that an https server may have. */
function getJson(url, ca) {
  return new Promise((resolve, reject) => {
    const { get } = url.startsWith('https') ? https : http;
    get(url, { ca }, async (response) => {
      const parts = [];
      for await (const part of response) parts.push(part);
      resolve(JSON.parse(Buffer.concat(parts).toString()));
    }).on('error', reject);
  });
}

/** `cairn api serve` as a process of its own. `tls`: `{ cert, key }`, files of a certificate for localhost. */
export class ApiProvider {
  constructor({ network, cli, market, account, name, openapi, upstream, price, args = [], tls = null }) {
    Object.assign(this, { network, cli, market, account, name, openapi, upstream, price, args, tls });
    this.label = `api-${account.replace(/\W/g, '')}`;
    this.data = join(network.dir, this.label);
    this.as = ['--account', account, '--yes'];
  }

  static async start(options) {
    const provider = new ApiProvider(options);
    [provider.port, provider.metricsPort] = await freePorts(2);
    await provider.start();
    return provider;
  }

  get url() {
    return this.tls ? `https://localhost:${this.port}` : `http://127.0.0.1:${this.port}`;
  }

  /** What calls cost. */
  offer() {
    return getJson(`${this.url}/.well-known/cairn/offer`, this.tls ? readFileSync(this.tls.cert) : undefined);
  }

  async start(args = this.args) {
    const tls = this.tls ? ['--tls-cert', this.tls.cert, '--tls-key', this.tls.key, '--endpoint', this.url] : [];
    this.process = new Background({
      name: this.label, command: binary('cairn'), env: this.cli.env, log: join(this.network.dir, `${this.label}.log`),
      args: ['--url', this.cli.url, ...this.as, 'api', 'serve', ...tls, '--contract', this.market, '--openapi', this.openapi, '--name', this.name,
        '--upstream', this.upstream.url, '--price', this.price, '--listen', `127.0.0.1:${this.port}`,
        '--metrics', `127.0.0.1:${this.metricsPort}`, '--data', this.data, ...args],
    });
    await until(`${this.label} listens`, async () => {
      if (!this.process.alive) throw new Error(`it has ended\n${this.process.tail()}`);
      this.api = (await this.offer()).api;
      return true;
    }, { timeoutMs: seconds(90) });
  }

  earnings(...args) {
    return this.cli.ok('api', 'earnings', String(this.api), '--contract', this.market, '--data', this.data, ...args, ...this.as);
  }

  async metric(name) {
    return metric(this.metricsPort, name);
  }
}

/** One number of a page of metrics. */
export async function metric(port, name) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = text.split('\n').find((found) => found.startsWith(`${name} `) || found.startsWith(`${name}{`));
  return line && Number(line.split(' ').at(-1));
}

/** `cairn api proxy` as a process of its own. */
export class ApiProxy {
  static async start({ network, cli, market, account, label = 'proxy', data = join(network.dir, 'consumer'), args = [] }) {
    const proxy = new ApiProxy();
    const [port, metricsPort] = await freePorts(2);
    Object.assign(proxy, { network, cli, market, account, label, data, args, port, metricsPort });
    await proxy.start();
    return proxy;
  }

  /** Without the token that lets programs in. */
  get bare() {
    return `http://127.0.0.1:${this.port}`;
  }

  get tokenFile() {
    return join(this.data, 'proxy.token');
  }

  get url() {
    return `${this.bare}/${readFileSync(this.tokenFile, 'utf8').trim()}`;
  }

  async start(args = this.args) {
    this.process = new Background({
      name: this.label, command: binary('cairn'), env: this.cli.env, log: join(this.network.dir, `${this.label}.log`),
      args: ['--url', this.cli.url, '--account', this.account, '--yes', 'api', 'proxy', '--allow-local', '--contract', this.market,
        '--listen', `127.0.0.1:${this.port}`, '--metrics', `127.0.0.1:${this.metricsPort}`, '--data', this.data, ...args],
    });
    await until('the proxy listens', async () => {
      if (!this.process.alive) throw new Error(`it has ended\n${this.process.tail()}`);
      return existsSync(this.tokenFile) && (await fetch(`${this.url}/`)).ok;
    }, { timeoutMs: seconds(60) });
  }

  /** What it knows and has spent. */
  async status() {
    return (await fetch(`${this.url}/`)).json();
  }

  /** What it knows of one provider. */
  async seller(name, api) {
    return (await this.status()).apis[name]?.find((seller) => seller.api === api);
  }

  get(path) {
    return fetch(`${this.url}${path}`);
  }

  metric(name) {
    return metric(this.metricsPort, name);
  }
}
