// SPDX-License-Identifier: Apache-2.0
// One node of Garage with a bucket, and as much of an S3 client as looking at it takes.
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from './ports.mjs';
import { Background } from './processes.mjs';
import { until } from './wait.mjs';

const REGION = 'garage';
const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const hmac = (key, data) => createHmac('sha256', key).update(data).digest();

export class Garage {
  /** A node with the program that `$GARAGE` names, and a bucket of this name. */
  static async start(dir, bucket) {
    const garage = new Garage();
    Object.assign(garage, { dir: join(dir, 'garage'), bucket, program: process.env.GARAGE });
    const [rpc, api, admin] = await freePorts(3);
    garage.config = join(garage.dir, 'garage.toml');
    garage.endpoint = `http://127.0.0.1:${api}`;
    mkdirSync(garage.dir);
    writeFileSync(garage.config, `metadata_dir = "${join(garage.dir, 'meta')}"
data_dir = "${join(garage.dir, 'data')}"
db_engine = "lmdb"
metadata_fsync = true
data_fsync = true
replication_factor = 1
rpc_bind_addr = "127.0.0.1:${rpc}"
rpc_public_addr = "127.0.0.1:${rpc}"
rpc_secret = "${randomBytes(32).toString('hex')}"
[s3_api]
s3_region = "${REGION}"
api_bind_addr = "127.0.0.1:${api}"
root_domain = ".s3.localhost"
[admin]
api_bind_addr = "127.0.0.1:${admin}"
`);
    garage.run();
    const node = await until('Garage knows its node', () => garage.tell('node', 'id', '-q').trim().split('@')[0]);
    await until('Garage takes its layout', () => garage.tell('layout', 'assign', node, '-z', 'one', '-c', '20G'));
    garage.tell('layout', 'apply', '--version', '1');
    await until('Garage makes a bucket', () => garage.tell('bucket', 'create', bucket));
    const key = garage.tell('key', 'create', bucket);
    garage.id = /^Key ID: *(\S+)/m.exec(key)[1];
    garage.secret = /^Secret key: *(\S+)/m.exec(key)[1];
    garage.tell('bucket', 'allow', '--read', '--write', bucket, '--key', bucket);
    return garage;
  }

  run() {
    this.process = new Background({
      name: 'garage', command: this.program, args: ['-c', this.config, 'server'], log: join(this.dir, 'garage.log'),
    });
  }

  kill() {
    return this.process.kill();
  }

  tell(...args) {
    return execFileSync(this.program, ['-c', this.config, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  }

  /** What a vault that uses the bucket needs in its environment. */
  get environment() {
    return {
      AWS_ENDPOINT: this.endpoint, AWS_ALLOW_HTTP: 'true', AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: this.id, AWS_SECRET_ACCESS_KEY: this.secret,
    };
  }

  /** The names of all objects below a prefix, with their sizes. */
  async list(prefix) {
    const found = [];
    for (let token = ''; ;) {
      const query = { 'list-type': '2', prefix, ...(token && { 'continuation-token': token }) };
      const text = await (await this.request('GET', '', query)).text();
      for (const [, key, size] of text.matchAll(/<Key>([^<]*)<\/Key>[^]*?<Size>(\d+)<\/Size>/g)) found.push({ key, size: Number(size) });
      [, token] = /<NextContinuationToken>([^<]*)</.exec(text) ?? [];
      if (!token) return found;
    }
  }

  remove(key) {
    return this.request('DELETE', key);
  }

  /** A request, signed as AWS wants it (version 4). */
  async request(method, key, query = {}) {
    const { host } = new URL(this.endpoint);
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const day = time.slice(0, 8);
    const path = `/${this.bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
    const sorted = Object.entries(query).sort().map((pair) => pair.map(encodeURIComponent).join('=')).join('&');
    const headers = { host, 'x-amz-content-sha256': sha256(''), 'x-amz-date': time };
    const names = Object.keys(headers).join(';');
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`).join('');
    const scope = `${day}/${REGION}/s3/aws4_request`;
    const text = ['AWS4-HMAC-SHA256', time, scope, sha256([method, path, sorted, lines, names, sha256('')].join('\n'))].join('\n');
    const signing = [day, REGION, 's3', 'aws4_request'].reduce(hmac, `AWS4${this.secret}`);
    const signature = hmac(signing, text).toString('hex');
    const authorization = `AWS4-HMAC-SHA256 Credential=${this.id}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
    const { host: _, ...sent } = headers;
    const answer = await fetch(`${this.endpoint}${path}${sorted && `?${sorted}`}`, { method, headers: { ...sent, authorization } });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }
}
