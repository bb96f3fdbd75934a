// SPDX-License-Identifier: Apache-2.0
// Signed transfers made in bulk: by hand and by all cores, since a client library makes a thousand a second at best.
// What is made by hand is compared with what @polkadot/api makes before anything is sent.
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { sr25519KeypairFromSeed, waitReady } from '@polkadot/wasm-crypto';
import { u8aToHex } from '@polkadot/util';
import { blake2AsU8a, encodeAddress } from '@polkadot/util-crypto';

/** Planck sent by each transfer. */
export const AMOUNT = 1_000_000n;

/** Key pairs of `count` senders; the same on every run. */
export async function senders(count) {
  await waitReady();
  return Array.from({ length: count }, (_, i) => {
    const pair = sr25519KeypairFromSeed(blake2AsU8a(`cairn bench sender ${i}`));
    const [secret, publicKey] = [pair.slice(0, 64), pair.slice(64)];
    return { secret, publicKey, address: encodeAddress(publicKey, 42) };
  });
}

function compact(n) {
  if (n < 64) return Uint8Array.of(n << 2);
  if (n < 16_384) return Uint8Array.of(((n << 2) | 1) & 0xff, n >> 6);
  return Uint8Array.of(((n << 2) | 2) & 0xff, (n >> 6) & 0xff, (n >> 14) & 0xff, n >>> 22);
}

const u32 = (n) => Uint8Array.of(n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, n >>> 24);

/** What all transactions of a run share: the extensions' fixed bytes, and a transfer's call. */
export function frame(api) {
  const { specVersion, transactionVersion } = api.runtimeVersion;
  return {
    callIndex: api.tx.balances.transferKeepAlive.callIndex,
    implicit: Buffer.concat([
      u32(specVersion.toNumber()), u32(transactionVersion.toNumber()),
      api.genesisHash.toU8a(), api.genesisHash.toU8a(), Uint8Array.of(0),
    ]),
  };
}

/** The bytes of a signed, immortal transaction without tip. `sign(publicKey, secret, message)` is wasm-crypto's. */
export function encodeSigned({ implicit }, sign, from, call, nonce) {
  const explicit = Buffer.concat([Uint8Array.of(0), compact(nonce), Uint8Array.of(0, 0)]);
  const signature = sign(from.publicKey, from.secret, Buffer.concat([call, explicit, implicit]));
  const body = Buffer.concat([
    Uint8Array.of(0x84, 0), from.publicKey, Uint8Array.of(1), signature, explicit, call,
  ]);
  return Buffer.concat([compact(body.length), body]);
}

/** The bytes of a signed transfer. */
export function encodeTransfer(shared, sign, from, toPublicKey, nonce) {
  const call = Buffer.concat([shared.callIndex, Uint8Array.of(0), toPublicKey, compact(Number(AMOUNT))]);
  return encodeSigned(shared, sign, from, call, nonce);
}

/** Throws when the bytes made here are not what @polkadot/api reads as such a transfer. */
export function checkAgainst(api, bytes, from, toAddress, nonce) {
  const read = api.registry.createType('Extrinsic', bytes);
  const same = read.isSigned && read.signer.toString() === from.address && read.nonce.toNumber() === nonce
    && read.method.section === 'balances' && read.method.method === 'transferKeepAlive'
    && read.args[0].toString() === toAddress && read.args[1].toBigInt() === AMOUNT;
  if (!same) throw new Error(`the transfer made for this benchmark is not one to this runtime: ${read.toString()}`);
}

/** Sender and nonce of one of our transfers in a block; null for anything else. */
export function identify(hex) {
  // 0x, two bytes of length, 84 00, the key, 01, the signature, the era, then the nonce.
  if (hex.slice(6, 10) !== '8400') return null;
  const at = 2 + 2 * (2 + 2 + 32 + 1 + 64 + 1);
  const first = parseInt(hex.slice(at, at + 2), 16);
  const nonce = (first & 3) === 0 ? first >> 2 : (first | (parseInt(hex.slice(at + 2, at + 4), 16) << 8)) >> 2;
  return { key: hex.slice(10, 74), nonce };
}

/**
 * Signs `perSender` transfers of each sender, each to the next sender, on all cores.
 * Returns for each connection its batches in sending order: `{ numbers, body }`, where the transfer of sender s with
 * nonce n has the number `n * senders + s`. A sender's transfers all go over one connection, in order.
 */
export async function presign({ frame: shared, accounts, perSender, connections, batch }) {
  const workers = Math.min(availableParallelism(), connections);
  const parts = await Promise.all(Array.from({ length: workers }, async (_, worker) => {
    const thread = new Worker(new URL('./presign-worker.mjs', import.meta.url), {
      workerData: { shared, accounts, perSender, connections, batch, worker, workers },
    });
    const [part] = await once(thread, 'message');
    return part;
  }));
  return Array.from({ length: connections }, (_, c) => parts[c % workers].get(c));
}

export const hex = (bytes) => u8aToHex(bytes);
