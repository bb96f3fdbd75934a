// SPDX-License-Identifier: Apache-2.0
// Typed access to a running chain for tests whose subject is not the client itself.
import './one-warning-less.mjs';
import { ApiPromise, WsProvider } from '@polkadot/api';
import { Keyring } from '@polkadot/keyring';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { seconds, until, within } from './wait.mjs';

export const CRN = 1_000_000_000_000n;

/** The development account `//Name`. */
export async function devAccount(name) {
  await cryptoWaitReady();
  return new Keyring({ type: 'sr25519', ss58Format: 42 }).addFromUri(`//${name}`);
}

export async function connect(url) {
  return ApiPromise.create({ provider: new WsProvider(url, 1000), noInitWarn: true, throwOnConnect: true });
}

/** `Pallet.Error: docs` for a dispatch error. */
export function explain(api, dispatchError) {
  if (!dispatchError.isModule) return dispatchError.toString();
  const { section, name, docs } = api.registry.findMetaError(dispatchError.asModule);
  return `${section}.${name}: ${docs.join(' ')}`;
}

/**
 * Signs, submits and waits for finality (or only for a block: `{ until: 'inBlock' }`).
 * Throws what the chain said when it refused. Returns the events and where the transaction is.
 */
export async function submit(api, account, call, { until: stage = 'finalized', nonce = -1 } = {}) {
  const what = `${call.method.section}.${call.method.method} by ${account.address}`;
  return within(what, new Promise((resolve, reject) => {
    let unsubscribe = () => {};
    call.signAndSend(account, { nonce }, (result) => {
      if (result.isError || result.status.isInvalid || result.status.isUsurped || result.status.isDropped) {
        unsubscribe();
        reject(new Error(`${what}: ${result.status}`));
        return;
      }
      if (!(result.status.isFinalized || (stage === 'inBlock' && result.status.isInBlock))) return;
      unsubscribe();
      if (result.dispatchError) reject(new Error(`${what}: ${explain(api, result.dispatchError)}`));
      else {
        const block = result.status.isFinalized ? result.status.asFinalized : result.status.asInBlock;
        resolve({ events: result.events, block: block.toHex(), index: result.txIndex });
      }
    }).then((stop) => { unsubscribe = stop; }, reject);
  }), seconds(90));
}

/** The free balance in planck. */
export async function freeBalance(api, address) {
  return (await api.query.system.account(address)).data.free.toBigInt();
}

/** Waits for an event `section.method` in a block that this node has; searches from block `from` on. */
export async function waitEvent(api, section, method, { from, timeoutMs = seconds(180), where = () => true }) {
  let next = from;
  return until(`event ${section}.${method}`, async () => {
    const best = (await api.rpc.chain.getHeader()).number.toNumber();
    for (; next <= best; next++) {
      const at = await api.at(await api.rpc.chain.getBlockHash(next));
      const found = (await at.query.system.events())
        .find(({ event }) => event.section === section && event.method === method && where(event));
      if (found) return { event: found.event, block: next };
    }
    return null;
  }, { timeoutMs, everyMs: 1000 });
}
