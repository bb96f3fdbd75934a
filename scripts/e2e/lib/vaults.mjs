// SPDX-License-Identifier: Apache-2.0
// Vaults as real processes, each with an account of its own on a development chain.
import { join } from 'node:path';
import { binary } from './paths.mjs';
import { freePorts } from './ports.mjs';
import { Background } from './processes.mjs';
import { Relay } from './relay.mjs';
import { seconds, until } from './wait.mjs';

export class Vault {
  constructor({ network, cli, number, args, relayed = false, data }) {
    Object.assign(this, { network, cli, number, args, relayed });
    this.name = `vault${number}`;
    this.account = `//vault${number}`;
    this.data = data ?? join(network.dir, this.name);
    this.as = ['--account', this.account, '--yes'];
  }

  /** Gives its account coins and registers it. */
  async register({ capacity = '1GiB', ask = '0.01', bond } = {}) {
    [this.port, this.statusPort] = await freePorts(2);
    if (this.relayed) {
      this.line = await Relay.to(this.port);
      this.chainLine = await Relay.to(Number(new URL(this.cli.url).port));
    }
    await until(`${this.name} has coins`, async () => (await this.cli.ok('account', 'show', this.account)).free.units !== '0');
    await this.cli.ok('vault', 'register', '--data', this.data, '--capacity', capacity, '--ask', ask,
      '--address', `127.0.0.1:${this.line?.port ?? this.port}`, ...(bond ? ['--bond', bond] : []), ...this.as);
  }

  async start() {
    this.process = new Background({
      name: this.name, command: binary('cairn'), env: this.cli.env, log: join(this.network.dir, `${this.name}.log`),
      args: ['--url', this.chainUrl, ...this.cli.more, ...this.as, 'vault', 'run', '--data', this.data, '--listen', `127.0.0.1:${this.port}`,
        '--status', `127.0.0.1:${this.statusPort}`, ...this.args],
    });
    const { process } = this;
    await until(`${this.name} listens`, async () => (
      !process.alive || (await fetch(`http://127.0.0.1:${this.statusPort}/metrics`)).ok
    ));
    if (!process.alive) throw new Error(`${this.name} did not start\n${process.tail()}`);
  }

  /** Where it reaches the chain. */
  get chainUrl() {
    return this.chainLine ? `ws://127.0.0.1:${this.chainLine.port}` : this.cli.url;
  }

  /** Takes it off the network: it reaches nobody, and nobody reaches it. The chain may be left to it. */
  cut({ chain = true } = {}) {
    this.line.cut();
    if (chain) this.chainLine.cut();
  }

  heal() {
    this.line.heal();
    this.chainLine.heal();
  }

  /** One of its metrics, by its name without `cairn_vault_`. */
  async metric(name) {
    const text = await (await fetch(`http://127.0.0.1:${this.statusPort}/metrics`)).text();
    const line = text.split('\n').find((row) => row.startsWith(`cairn_vault_${name} `));
    if (!line) throw new Error(`${this.name} has no metric ${name}`);
    return Number(line.split(' ')[1]);
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
export async function startVaults(network, cli, count, { first = 1, args = [], relayed = false, dataOf = () => undefined, ...terms } = {}) {
  const vaults = Array.from({ length: count }, (_, i) => {
    const number = first + i;
    return new Vault({ network, cli, number, args, relayed, data: dataOf(number) });
  });
  for (const vault of vaults) await cli.ok('account', 'send', vault.account, '2000', '--account', '//Alice', '--yes', '--no-wait');
  await Promise.all(vaults.map((vault) => vault.register(terms)));
  await Promise.all(vaults.map((vault) => vault.start()));
  return vaults;
}

/** Which of these vaults has a slot, as `drive status` tells of it. */
export async function keeperOf(vaults, slot) {
  const accounts = await Promise.all(vaults.map(async (vault) => (await vault.status()).account));
  const found = accounts.indexOf(slot.vault);
  if (found < 0) throw new Error(`none of these vaults has ${JSON.stringify(slot)}`);
  return vaults[found];
}

/** What vaults have at stake, to be compared later. */
export const bondsOf = (vaults) => Promise.all(vaults.map(async (vault) => JSON.stringify((await vault.status()).bond)));

/** Everything about time here is in units of the chain's blocks, of 3 s. */
export const blocks = (count) => seconds(3 * count);
