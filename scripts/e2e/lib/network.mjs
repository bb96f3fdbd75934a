// SPDX-License-Identifier: Apache-2.0
// Networks of real nodes in a temporary folder.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChainNode } from './node.mjs';
import { freePorts } from './ports.mjs';
import { killAll } from './processes.mjs';
import { isolatedSpec } from './spec.mjs';

/** The three validators of the local chain, in the order of their node keys. */
export const VALIDATORS = ['alice', 'bob', 'charlie'];

/** The peer id that the first of the local chain's node keys makes. */
const FIRST_PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp';

/** Everything that a test file starts; `close` ends and removes it. */
export class Network {
  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), 'cairn-e2e-'));
    this.nodes = [];
  }

  start(options) {
    return ChainNode.start({ dir: this.dir, ...options });
  }

  /** One more node; the options of `ChainNode.start`. */
  async add(options) {
    const node = await this.start(options);
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
      const ports = await freePorts(2 * VALIDATORS.length);
      const transport = listen === 'ws' ? '/ws' : '';
      const first = `/ip4/127.0.0.1/tcp/${ports[1]}${transport}/p2p/${FIRST_PEER}`;
      // At the same time: most of a node's start is compiling the runtime.
      network.nodes = await Promise.all(VALIDATORS.map((name, i) => network.start({
        name, listen, ports: ports.slice(2 * i, 2 * i + 2),
        args: ['--chain', network.spec, `--${name}`, '--node-key', `${i + 1}`.padStart(64, '0'),
          ...(i > 0 ? ['--bootnodes', first] : []), ...args],
      })));
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
    killAll(); // a node that did not get as far as the list
    if (process.env.CAIRN_E2E_KEEP) console.error(`kept ${this.dir}`);
    else rmSync(this.dir, { recursive: true, force: true });
  }
}
