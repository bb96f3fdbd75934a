// SPDX-License-Identifier: Apache-2.0
// One running `cairn-node`.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { binary } from './paths.mjs';
import { freePorts } from './ports.mjs';
import { Background } from './processes.mjs';
import { Rpc } from './rpc.mjs';
import { seconds, until } from './wait.mjs';

/** What every test node is started with: nothing that leaves this machine. */
const QUIET = ['--no-mdns', '--no-telemetry', '--no-prometheus'];

/** How the header of a block of a primary slot begins what BABE says of it: a PreRuntime item, "BABE", 109 bytes, variant 1. */
const PRIMARY = '0x0642414245b50101';

export class ChainNode {
  /**
   * Starts a node and waits until its RPC answers.
   * `args` are flags of cairn-node; `listen` says how peers reach it: "tcp" or "ws".
   */
  static async start({ name, dir, basePath, args = [], listen = 'tcp', ports, env, prefix, quiet = QUIET }) {
    const node = new ChainNode({ name, dir, basePath, args, listen, ports: ports ?? await freePorts(2), env, prefix, quiet });
    await node.restart();
    return node;
  }

  constructor({ name, dir, basePath = join(dir, name), args, listen, ports: [rpcPort, p2pPort], env, prefix, quiet }) {
    Object.assign(this, { name, dir, basePath, listen, rpcPort, p2pPort, env, prefix });
    this.log = join(dir, `${name}.log`);
    const transport = listen === 'ws' ? '/ws' : '';
    this.args = [
      '--name', name, '--base-path', this.basePath,
      '--rpc-port', String(rpcPort),
      '--listen-addr', `/ip4/127.0.0.1/tcp/${p2pPort}${transport}`,
      ...quiet, ...args,
    ];
    this.process = null;
    this.connection = null;
  }

  get url() {
    return `ws://127.0.0.1:${this.rpcPort}`;
  }

  get httpUrl() {
    return `http://127.0.0.1:${this.rpcPort}`;
  }

  get alive() {
    return this.process?.alive ?? false;
  }

  /** Starts the process (again, after `kill` or `stop`) with the same flags and data. */
  async restart(extraArgs = []) {
    mkdirSync(this.basePath, { recursive: true });
    this.process = new Background({
      name: this.name, command: binary('cairn-node'), args: [...this.args, ...extraArgs],
      log: this.log, env: this.env, prefix: this.prefix,
    });
    const { process } = this;
    await until(`${this.name} answers on ${this.url}`, async () => {
      if (!process.alive) return true;
      this.connection = await Rpc.connect(this.url);
      return this.connection.call('system_health');
    }, { timeoutMs: seconds(120) });
    if (!process.alive) throw new Error(`${this.name} did not start\n${process.tail(40)}`);
    return this;
  }

  /** A new connection, where the node may have given up the last one. */
  async reconnect() {
    this.connection?.close();
    this.connection = await Rpc.connect(this.url);
  }

  /** One JSON-RPC call over the node's own connection. */
  call(method, ...params) {
    if (!this.connection?.open) return Promise.reject(new Error(`${this.name} is not connected`));
    return this.connection.call(method, ...params);
  }

  async kill(signal = 'SIGKILL') {
    this.connection?.close();
    return this.process?.kill(signal);
  }

  async stop() {
    this.connection?.close();
    return this.process?.stop();
  }

  /** The node's multiaddress with its peer id, for --bootnodes. */
  async address() {
    const transport = this.listen === 'ws' ? '/ws' : '';
    return `/ip4/127.0.0.1/tcp/${this.p2pPort}${transport}/p2p/${await this.call('system_localPeerId')}`;
  }

  async bestNumber() {
    return Number((await this.call('chain_getHeader')).number);
  }

  async finalizedNumber() {
    const head = await this.call('chain_getFinalizedHead');
    return Number((await this.call('chain_getHeader', head)).number);
  }

  /**
   * What BABE chooses forks by: how many of the best chain's blocks after `number` are of primary slots. Only between chains with
   * as many of them does the longer one win.
   */
  async primariesSince(number) {
    let primaries = 0;
    let header = await this.call('chain_getHeader');
    while (Number(header.number) > number) {
      if (header.digest.logs.some((log) => log.startsWith(PRIMARY))) primaries += 1;
      header = await this.call('chain_getHeader', header.parentHash);
    }
    return primaries;
  }

  async waitBest(number, options) {
    return until(`${this.name} has block ${number}`, async () => (await this.bestNumber()) >= number, options);
  }

  async waitFinalized(number, options) {
    return until(`${this.name} finalizes block ${number}`, async () => {
      const finalized = await this.finalizedNumber();
      if (finalized >= number) return true;
      throw new Error(`finalized ${finalized}, best ${await this.bestNumber()}`);
    }, options);
  }
}
