// SPDX-License-Identifier: Apache-2.0
// Networks of real nodes in a temporary folder.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChainNode } from './node.mjs';
import { isolatedSpec } from './spec.mjs';

/** The three validators of the local chain, in the order of their node keys. */
export const VALIDATORS = ['alice', 'bob', 'charlie'];

/** Everything that a test file starts; `close` ends and removes it. */
export class Network {
  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), 'cairn-e2e-'));
    this.nodes = [];
  }

  /** One more node; the options of `ChainNode.start`. */
  async add(options) {
    const node = await ChainNode.start({ dir: this.dir, ...options });
    this.nodes.push(node);
    return node;
  }

  /** A development chain: one validator (Alice), short epochs and periods. */
  static async dev({ args = [], ...options } = {}) {
    const network = new Network();
    return network.orClose(async () => {
      network.spec = isolatedSpec('dev');
      await network.addValidator('dev', { as: 'alice', args: ['--force-authoring', ...args], ...options });
      return network;
    });
  }

  /** The local chain with its three validators, connected to each other and to nothing else. */
  static async local({ listen = 'tcp', args = [] } = {}) {
    const network = new Network();
    return network.orClose(async () => {
      network.spec = isolatedSpec('local');
      for (const name of VALIDATORS) await network.addValidator(name, { listen, args });
      return network;
    });
  }

  /** A validator with the keys of a development account (`as`), under its own name, data and network identity. */
  async addValidator(name, { as = name, args = [], ...options } = {}) {
    return this.add({
      name, ...options,
      args: ['--chain', this.spec, `--${as}`, '--unsafe-force-node-key-generation', ...(await this.join()), ...args],
    });
  }

  /** The flags that make a further node find the network. */
  async join() {
    const [first] = this.nodes;
    return first ? ['--bootnodes', await first.address()] : [];
  }

  /** Writes a file into the network's folder; returns its path. */
  file(name, content) {
    const path = join(this.dir, name);
    writeFileSync(path, content);
    return path;
  }

  async orClose(work) {
    try {
      return await work();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Ends all nodes and removes the folder. CAIRN_E2E_KEEP=1 keeps it. */
  async close() {
    await Promise.all(this.nodes.map((node) => node.kill()));
    if (process.env.CAIRN_E2E_KEEP) console.error(`kept ${this.dir}`);
    else rmSync(this.dir, { recursive: true, force: true });
  }
}
