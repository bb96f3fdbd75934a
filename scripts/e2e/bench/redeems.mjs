// SPDX-License-Identifier: Apache-2.0
// Vouchers of many signers and consumers, redeemed at once: how many a second, counted in finalized blocks, and what part of a
// block they take.
import { readFileSync } from 'node:fs';
import { ContractPromise } from '@polkadot/api-contract';
import { Keyring } from '@polkadot/keyring';
import { u8aConcat } from '@polkadot/util';
import { CRN, connect, devAccount, explain, submit } from '../lib/chain.mjs';
import { littleEndian, marketplaceBundle } from '../lib/market.mjs';
import { seconds, until } from '../lib/wait.mjs';

/** Signers of each consumer. */
const SIGNERS = 128;
/** Accounts that send redemptions. */
const SENDERS = 16;
const VALUE = CRN / 100n;

/** `count` vouchers for `api`, whose provider has this public key; answers what finalized blocks tell. */
export async function redeems({ url, market, provider, api: number, count }) {
  const api = await connect(url);
  try {
    const contract = new ContractPromise(api, JSON.parse(readFileSync(marketplaceBundle(), 'utf8')), market);
    const keys = new Keyring({ type: 'sr25519', ss58Format: 42 });
    const consumers = Array.from({ length: Math.ceil(count / SIGNERS) }, (_, i) => keys.addFromUri(`//consumer${i}`));
    const senders = Array.from({ length: SENDERS }, (_, i) => keys.addFromUri(`//sender${i}`));
    const alice = await devAccount('Alice');
    const coins = [...consumers, ...senders].map(({ address }) => api.tx.balances.transferKeepAlive(address, 100n * CRN));
    await submit(api, alice, api.tx.utility.batchAll(coins));

    const ample = api.registry.createType('WeightV2', { refTime: 1_000_000_000_000n, proofSize: 5_000_000n });
    /** Gas and deposit with room, and the call with them. */
    const prepared = async (account, message, args, value = 0n) => {
      const { gasRequired, result, output } = await contract.query[message](account.address, { value, gasLimit: ample, storageDepositLimit: null }, ...args);
      if (!result.isOk || 'err' in Object(output.toJSON().ok)) throw new Error(`${message}: ${JSON.stringify(output?.toJSON() ?? result.toJSON())}`);
      const more = (weight) => weight.toBigInt() * 11n / 10n;
      const gasLimit = api.registry.createType('WeightV2', { refTime: more(gasRequired.refTime), proofSize: more(gasRequired.proofSize) });
      return (given, worth = value) => contract.tx[message]({ gasLimit, storageDepositLimit: null, value: worth }, ...given);
    };
    const expires = Date.now() + 86_400_000;
    const signersOf = consumers.map((_, i) => Array.from({ length: SIGNERS }, (__, j) => keys.addFromUri(`//consumer${i}//signer${j}`)));
    const deposit = await prepared(consumers[0], 'deposit', [], 50n * CRN);
    const authorize = await prepared(consumers[0], 'authorizeSigner', [signersOf[0][0].publicKey, CRN, expires, null]);
    await Promise.all(consumers.map((consumer, i) => submit(api, consumer, api.tx.utility.batchAll([
      deposit([]), ...signersOf[i].map(({ publicKey }) => authorize([publicKey, CRN, expires, null])),
    ]))));

    // Each authorisation has the next number of its consumer.
    const vouchers = consumers.flatMap((consumer, i) => signersOf[i].map((signer, j) => {
      const voucher = {
        genesis: api.genesisHash.toU8a(), contract: contract.address.toU8a(), consumer: consumer.publicKey, signer: signer.publicKey,
        provider, api: number, epoch: j + 1, calls: 1000, units: 1000, value: VALUE,
      };
      const bytes = u8aConcat('<Bytes>', 'cairn/voucher/v1', voucher.genesis, voucher.contract, voucher.consumer, voucher.signer,
        voucher.provider, littleEndian(voucher.api, 4), littleEndian(voucher.epoch, 4), littleEndian(voucher.calls, 8),
        littleEndian(voucher.units, 8), littleEndian(voucher.value, 16), '</Bytes>');
      return [voucher, signer.sign(bytes)];
    })).slice(0, count);
    const redeem = await prepared(senders[0], 'redeem', vouchers[0]);
    const signed = senders.map(() => []);
    for (const [i, voucher] of vouchers.entries()) {
      const sender = i % SENDERS;
      const nonce = signed[sender].length;
      signed[sender].push((await redeem(voucher).signAsync(senders[sender], { nonce, era: 0, blockHash: api.genesisHash })).toHex());
    }

    const first = (await api.rpc.chain.getHeader(await api.rpc.chain.getFinalizedHead())).number.toNumber();
    await Promise.all(signed.map(async (list) => {
      for (const extrinsic of list) await api.rpc.author.submitExtrinsic(extrinsic);
    }));
    const limit = api.consts.system.blockWeights.perClass.normal.maxTotal.unwrap().refTime.toBigInt();
    const whole = api.consts.system.blockWeights.maxBlock.refTime.toBigInt();
    const blocks = [];
    let [next, seen] = [first + 1, 0];
    await until('all vouchers are redeemed in finalized blocks', async () => {
      const finalized = (await api.rpc.chain.getHeader(await api.rpc.chain.getFinalizedHead())).number.toNumber();
      for (; next <= finalized; next++) {
        const block = await read(api, await api.rpc.chain.getBlockHash(next));
        seen += block.redeemed;
        if (block.redeemed > 0) blocks.push({ number: next, ...block });
      }
      return seen >= vouchers.length;
    }, { timeoutMs: seconds(300), everyMs: 500 });

    // From behind the first block to before the last, which are not whole. Those between are as full as the node gets them.
    const inside = blocks.slice(1, -1);
    if (inside.length === 0) throw new Error(`${blocks.length} blocks are too few to measure by: more vouchers are needed`);
    const spanSeconds = (inside.at(-1).timeMs - blocks[0].timeMs) / 1000;
    const sum = (list, of) => list.reduce((total, block) => total + of(block), 0);
    const weight = blocks.reduce((total, block) => total + block.weight, 0n);
    return {
      vouchers: vouchers.length,
      consumers: consumers.length,
      perSecond: sum(inside, ({ redeemed }) => redeemed) / spanSeconds,
      perBlock: blocks.map(({ redeemed }) => redeemed),
      /** Time of one, as the chain charges for it. */
      weightMs: Number(weight / BigInt(vouchers.length)) / 1e9,
      /** What such a block takes of the time that calls may take, and of a whole block's. */
      shareOfNormal: sum(inside, (block) => Number(block.weight) / Number(limit)) / inside.length,
      shareOfBlock: sum(inside, (block) => Number(block.weight) / Number(whole)) / inside.length,
    };
  } finally {
    await api.disconnect();
  }
}

/** Contract calls that succeeded in a block, and what they were charged for. One that failed ends the measurement. */
async function read(api, hash) {
  const at = await api.at(hash);
  const [events, { block }, time] = await Promise.all([at.query.system.events(), api.rpc.chain.getBlock(hash), at.query.timestamp.now()]);
  let [redeemed, weight] = [0, 0n];
  for (const { phase, event } of events) {
    if (!phase.isApplyExtrinsic) continue;
    const { method } = block.extrinsics[phase.asApplyExtrinsic.toNumber()];
    if (method.section !== 'contracts') continue;
    if (event.section === 'system' && event.method === 'ExtrinsicFailed') throw new Error(`a redemption failed: ${explain(api, event.data[0])}`);
    if (event.section !== 'system' || event.method !== 'ExtrinsicSuccess') continue;
    redeemed += 1;
    weight += event.data[0].weight.refTime.toBigInt();
  }
  return { redeemed, weight, timeMs: time.toNumber() };
}
