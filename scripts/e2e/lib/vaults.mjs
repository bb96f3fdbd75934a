// SPDX-License-Identifier: Apache-2.0
// Vaults as real processes, each with an account of its own on a development chain.
import { join } from 'node:path';
import { binary } from './paths.mjs';
import { freePorts } from './ports.mjs';
import { Background } from './processes.mjs';
import { seconds, until } from './wait.mjs';

export class Vault {
  constructor({ network, cli, number, args }) {
    Object.assign(this, { network, cli, number, args });
    this.name = `vault${number}`;
    this.account = `//vault${number}`;
    this.data = join(network.dir, this.name);
    this.as = ['--account', this.account, '--yes'];
  }

  /** Gives its account coins and registers it. */
  async register({ capacity = '1GiB', ask = '0.01', bond } = {}) {
    [this.port, this.statusPort] = await freePorts(2);
    await until(`${this.name} has coins`, async () => (await this.cli.ok('account', 'show', this.account)).free.units !== '0');
    await this.cli.ok('vault', 'register', '--data', this.data, '--capacity', capacity, '--ask', ask,
      '--address', `127.0.0.1:${this.port}`, ...(bond ? ['--bond', bond] : []), ...this.as);
  }

  async start() {
    this.process = new Background({
      name: this.name, command: binary('cairn'), env: this.cli.env, log: join(this.network.dir, `${this.name}.log`),
      args: ['--url', this.cli.url, ...this.as, 'vault', 'run', '--data', this.data, '--listen', `127.0.0.1:${this.port}`,
        '--status', `127.0.0.1:${this.statusPort}`, ...this.args],
    });
    await until(`${this.name} listens`, async () => {
      if (!this.process.alive) throw new Error('it has ended');
      return (await fetch(`http://127.0.0.1:${this.statusPort}/metrics`)).ok;
    });
  }

  /** What the chain says of it. */
  status() {
    return this.cli.ok('vault', 'status', this.account);
  }

  kill(signal = 'SIGKILL') {
    return this.process.kill(signal);
  }
}

/** `count` running vaults on the network of `cli`. */
export async function startVaults(network, cli, count, { first = 1, args = [], ...terms } = {}) {
  const vaults = Array.from({ length: count }, (_, i) => new Vault({ network, cli, number: first + i, args }));
  for (const vault of vaults) await cli.ok('account', 'send', vault.account, '2000', '--account', '//Alice', '--yes', '--no-wait');
  await Promise.all(vaults.map((vault) => vault.register(terms)));
  await Promise.all(vaults.map((vault) => vault.start()));
  return vaults;
}

/** Everything about time here is in units of the chain's blocks, of 3 s. */
export const blocks = (count) => seconds(3 * count);
