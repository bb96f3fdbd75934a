// SPDX-License-Identifier: Apache-2.0
// A gateway that serves the names of a network, and other people's programs that ask it.
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';
import { binary } from './paths.mjs';
import { freePorts } from './ports.mjs';
import { Background } from './processes.mjs';
import { seconds, until } from './wait.mjs';

/** Runs a program to its end; returns its exit code and what it wrote. */
export function run(program, args, { input, env } = {}) {
  return new Promise((resolve) => {
    const child = execFile(program, args, {
      timeout: seconds(60), maxBuffer: 16 * 1024 * 1024, env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, ...env },
    }, (error, stdout, stderr) => resolve({ code: error ? error.code ?? 'killed' : 0, stdout, stderr }));
    if (input !== undefined) child.stdin.end(input);
  });
}

export class Gateway {
  /** Starts one in the folder of `cli`, asking the node of `cli` or the one given, and waits until it answers. */
  static async start(network, cli, { args = [], listen, url = cli.url } = {}) {
    const gateway = new Gateway();
    const [dns, dot, doh, metrics] = await freePorts(4);
    Object.assign(gateway, { network, cli, dns, dot, doh, metrics, data: join(network.dir, 'gateway') });
    gateway.address = listen ?? '127.0.0.1';
    gateway.args = ['--url', url, 'gateway', '--dns', `${gateway.address}:${listen ? 53 : dns}`, '--dot', `${gateway.address}:${dot}`,
      '--doh', `${gateway.address}:${doh}`, '--metrics', `127.0.0.1:${metrics}`, '--data', gateway.data, ...args];
    if (listen) gateway.dns = 53;
    await gateway.up();
    return gateway;
  }

  async up() {
    this.process = new Background({
      name: 'gateway', command: binary('cairn'), args: this.args, env: this.cli.env, log: join(this.network.dir, 'gateway.log'),
    });
    await until('the gateway answers', async () => {
      if (!this.process.alive) throw new Error('it has ended');
      return (await this.dig('cairn', 'SOA', '+short')).stdout.includes('.cairn.');
    }, { timeoutMs: seconds(120) });
  }

  dig(name, type, ...flags) {
    return run('dig', [`@${this.address}`, '-p', String(this.dns), '+time=3', '+tries=1', name, type, ...flags]);
  }

  /** The data of an answer, sorted. */
  async answer(name, type, ...flags) {
    const { stdout } = await this.dig(name, type, '+short', ...flags);
    return stdout.trim().split('\n').filter(Boolean).sort();
  }

  /** The response code of an answer. */
  async status(name, type, ...flags) {
    const { stdout } = await this.dig(name, type, ...flags);
    return /status: (\w+)/.exec(stdout)?.[1] ?? stdout;
  }

  metric(line) {
    return new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port: this.metrics, path: '/metrics' }, (response) => {
        let text = '';
        response.on('data', (part) => { text += part; });
        response.on('end', () => resolve(line ? text.split('\n').find((found) => found.startsWith(line)) : text));
      }).on('error', reject).end();
    });
  }
}
