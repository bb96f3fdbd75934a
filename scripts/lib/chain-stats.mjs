// SPDX-License-Identifier: Apache-2.0
// A small HTTP server with figures of a chain, as anybody might have one; it knows nothing of the marketplace.
// node chain-stats.mjs PORT NODE_RPC_PORT
import { createServer } from 'node:http';

const [port, rpcPort] = process.argv.slice(2).map(Number);

async function rpc(method, ...params) {
  const answer = await fetch(`http://127.0.0.1:${rpcPort}`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const { result, error } = await answer.json();
  if (error) throw new Error(error.message);
  return result;
}

/** Blocks below the last final one never change. */
const known = new Map();
let finalized = 0;

async function block(number) {
  if (known.has(number)) return known.get(number);
  if (number > finalized) finalized = Number((await rpc('chain_getHeader', await rpc('chain_getFinalizedHead'))).number);
  if (number > finalized) return null;
  const hash = await rpc('chain_getBlockHash', number);
  const { block: { extrinsics } } = await rpc('chain_getBlock', hash);
  const value = { number, hash, transactions: extrinsics.length, bytes: extrinsics.join('').length / 2 };
  known.set(number, value);
  return value;
}

createServer((request, response) => {
  const send = (status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  const number = /^\/blocks\/(\d{1,9})$/.exec(request.url)?.[1];
  if (!number) return send(404, { error: 'no such path' });
  return block(Number(number)).then((found) => (found ? send(200, found) : send(404, { error: 'not final yet' })),
    (error) => send(500, { error: error.message }));
}).listen(port, '127.0.0.1');
