// SPDX-License-Identifier: Apache-2.0
// One core's share of the signing: see `presign`.
import { parentPort, workerData } from 'node:worker_threads';
import { sr25519Sign, waitReady } from '@polkadot/wasm-crypto';
import { encodeTransfer } from './transfers.mjs';

const { shared, accounts, perSender, connections, batch, worker, workers } = workerData;
await waitReady();

const byConnection = new Map();
for (let connection = worker; connection < connections; connection += workers) {
  const batches = [];
  let requests = [];
  let numbers = [];
  const flush = () => {
    if (requests.length > 0) batches.push({ numbers: Uint32Array.from(numbers), body: `[${requests.join(',')}]` });
    requests = [];
    numbers = [];
  };
  for (let nonce = 0; nonce < perSender; nonce++) {
    for (let sender = connection; sender < accounts.length; sender += connections) {
      const to = accounts[(sender + 1) % accounts.length].publicKey;
      const bytes = Buffer.from(encodeTransfer(shared, sr25519Sign, accounts[sender], to, nonce));
      const number = nonce * accounts.length + sender;
      requests.push(`{"jsonrpc":"2.0","id":${number},"method":"author_submitExtrinsic","params":["0x${bytes.toString('hex')}"]}`);
      numbers.push(number);
      if (requests.length === batch) flush();
    }
  }
  flush();
  byConnection.set(connection, batches);
}
parentPort.postMessage(byConnection);
