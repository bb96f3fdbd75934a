// SPDX-License-Identifier: Apache-2.0
// The contracts on the chain's real pallet: every message and every error of the marketplace, the examples by the command
// line, and other people's libraries. `scripts/contracts` builds what is tested here.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { CodePromise, ContractPromise } from '@polkadot/api-contract';
import { hexToU8a, stringCamelCase, u8aConcat, u8aToHex } from '@polkadot/util';
import { getInkClient } from '@polkadot-api/ink-contracts';
import { createInkV5Sdk } from '@polkadot-api/sdk-ink';
import { createClient } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';
import WebSocket from 'ws';
import { CRN, connect, devAccount, freeBalance, submit } from './lib/chain.mjs';
import { Cli, EXIT } from './lib/cli.mjs';
import { Network } from './lib/network.mjs';
import { seconds, sleep } from './lib/wait.mjs';

const ROOT = join(import.meta.dirname, '../..');
const TARGET = join(ROOT, 'contracts/target');
/** Where the table of costs goes, between its two marks. `CAIRN_COSTS=contracts/marketplace/DESIGN.md scripts/e2e/run contracts` */
const COSTS = process.env.CAIRN_COSTS;
const THAW_MS = 9_000;
const BOND = 10n * CRN;

function bundle(name) {
  const path = join(TARGET, `${name}.contract`);
  if (!existsSync(path)) throw new Error(`${path} is missing: build it with scripts/contracts`);
  return path;
}

const little = (value, bytes) => {
  const out = new Uint8Array(bytes);
  for (let i = 0, rest = BigInt(value); i < bytes; i++, rest >>= 8n) out[i] = Number(rest & 255n);
  return out;
};

const listing = {
  cairnName: 'weather.cairn', openapiHash: new Uint8Array(32).fill(3), document: 'https://example.org/openapi.json',
  endpoints: ['https://example.org'], tags: ['weather'], freeUnits: 10, sla: { p95Ms: 200, availabilityBps: 9990 },
};
const methods = [{ name: 'GET /digest', units: 1, deterministic: true }, { name: 'GET /now', units: 2, deterministic: false }];
const plan = { name: 'daily', price: CRN, periodMs: 3_600_000, units: 100 };

describe('the marketplace', { timeout: seconds(900) }, () => {
  let network;
  let api;
  let contract;
  let genesis;
  let who;
  const errorsSeen = new Set();
  const costs = new Map();

  /** What calling would do: gas, deposit, and `{ ok }` or `{ err }`. */
  async function dry(account, message, args, value = 0n) {
    const name = stringCamelCase(message);
    const ample = api.registry.createType('WeightV2', { refTime: 1_000_000_000_000n, proofSize: 5_000_000n });
    const { gasRequired, storageDeposit, result, output } = await contract.query[name](account.address, { value, gasLimit: ample, storageDepositLimit: null }, ...args);
    assert.ok(result.isOk, `${message}: ${result.isErr && JSON.stringify(result.asErr.isModule ? api.registry.findMetaError(result.asErr.asModule) : result.asErr.toJSON())}`);
    const answer = output.toJSON().ok;
    return { gasRequired, deposit: storageDeposit, answer };
  }

  /** Calls in a transaction; the message must answer Ok. */
  async function call(account, message, args = [], value = 0n) {
    const { gasRequired, deposit, answer } = await dry(account, message, args, value);
    assert.ok(answer === null || !('err' in Object(answer)), `${message} answers ${JSON.stringify(answer)}`);
    note(message, gasRequired, deposit);
    const gasLimit = api.registry.createType('WeightV2', { refTime: gasRequired.refTime.toBigInt() * 12n / 10n, proofSize: gasRequired.proofSize.toBigInt() * 12n / 10n });
    const tx = contract.tx[stringCamelCase(message)]({ value, gasLimit, storageDepositLimit: null }, ...args);
    const { events } = await submit(api, account, tx, { until: 'inBlock' });
    const emitted = events.filter(({ event }) => event.section === 'contracts' && event.method === 'ContractEmitted');
    return { answer: Object(answer).ok ?? null, emitted };
  }

  /** Calls several times in one transaction. */
  async function repeat(times, account, message, args) {
    const { gasRequired } = await dry(account, message, args);
    const gasLimit = api.registry.createType('WeightV2', { refTime: gasRequired.refTime.toBigInt() * 2n, proofSize: gasRequired.proofSize.toBigInt() * 2n });
    const tx = contract.tx[stringCamelCase(message)]({ gasLimit, storageDepositLimit: null }, ...args);
    await submit(api, account, api.tx.utility.batchAll(Array(times).fill(tx)), { until: 'inBlock' });
  }

  function note(message, gas, deposit) {
    if (costs.has(message)) return;
    costs.set(message, {
      refTime: gas.refTime.toBigInt(), proofSize: gas.proofSize.toBigInt(),
      deposit: deposit.isCharge ? deposit.asCharge.toBigInt() : -deposit.asRefund.toBigInt(),
    });
  }

  /** A message must refuse with this error. */
  async function refused(error, account, message, args = [], value = 0n) {
    const { answer } = await dry(account, message, args, value);
    assert.deepEqual(Object(answer).err, error, `${message}(${JSON.stringify(args, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}) answers ${JSON.stringify(answer)}`);
    errorsSeen.add(error);
  }

  async function read(message, ...args) {
    const { gasRequired, deposit, answer } = await dry(who.alice, message, args);
    note(message, gasRequired, deposit);
    return answer;
  }

  const now = async () => (await api.query.timestamp.now()).toNumber();
  const until = async (ms) => { while ((await now()) < ms) await sleep(500); };

  function voucher(values = {}) {
    const v = {
      genesis, contract: contract.address.toU8a(), consumer: who.bob.publicKey, signer: who.key.publicKey, provider: who.alice.publicKey,
      api: 0, epoch: 1, calls: 1000, units: 2000, value: CRN, ...values,
    };
    const bytes = u8aConcat('<Bytes>', 'cairn/voucher/v1', v.genesis, v.contract, v.consumer, v.signer, v.provider,
      little(v.api, 4), little(v.epoch, 4), little(v.calls, 8), little(v.units, 8), little(v.value, 16), '</Bytes>');
    return [v, who.key.sign(bytes)];
  }

  function answer(response, values = {}) {
    const a = {
      genesis, contract: contract.address.toU8a(), key: who.answers.publicKey, api: 0, method: 0, request: new Uint8Array(32).fill(5),
      response: new Uint8Array(32).fill(response), latencyMs: 3, atMs: 1, ...values,
    };
    const bytes = u8aConcat('cairn/answer/v1', a.genesis, a.contract, a.key, little(a.api, 4), little(a.method, 2), a.request, a.response,
      little(a.latencyMs, 4), little(a.atMs, 8));
    return [a, who.answers.sign(bytes)];
  }

  const newApi = (values = {}) => ({ name: 'weather', listing, methods, unitPrice: 5, answerKey: who.answers.publicKey, ...values });

  before(async () => {
    network = await Network.dev();
    await network.nodes[0].waitFinalized(1);
    api = await connect(network.nodes[0].url);
    genesis = api.genesisHash.toU8a();
    const [alice, bob, charlie, key, answers, treasury, poor] = await Promise.all(['Alice', 'Bob', 'Charlie', 'Key', 'Answers', 'Treasury', 'Poor'].map(devAccount));
    who = { alice, bob, charlie, key, answers, treasury, poor };
  });

  after(async () => {
    await api?.disconnect();
    await network?.close();
  });

  test('@polkadot/api-contract uploads it and makes one', async () => {
    const metadata = readFileSync(bundle('marketplace'), 'utf8');
    const code = new CodePromise(api, metadata, JSON.parse(metadata).source.wasm);
    const gasLimit = api.registry.createType('WeightV2', { refTime: 20_000_000_000n, proofSize: 1_000_000n });
    const { events } = await submit(api, who.alice,
      code.tx.new({ gasLimit, storageDepositLimit: null, salt: new Uint8Array([1]) }, genesis, who.treasury.address, THAW_MS, BOND), { until: 'inBlock' });
    const made = events.filter(({ event }) => event.section === 'contracts' && event.method === 'Instantiated').at(-1);
    contract = new ContractPromise(api, metadata, made.event.data.contract.toString());
    const settings = (await read('settings'));
    assert.equal(settings.genesis, u8aToHex(genesis));
    assert.equal(Number(settings.thawMs), THAW_MS);
  });

  test('settings out of bounds make no contract', async () => {
    const abi = contract.abi;
    for (const thaw of [999, 90 * 24 * 3_600_000 + 1]) {
      const data = abi.findConstructor('new').toU8a([genesis, who.treasury.address, thaw, BOND]);
      const hash = abi.info.source.wasmHash;
      const { result } = await api.call.contractsApi.instantiate(who.alice.address, 0, null, null, { Existing: hash }, u8aToHex(data).startsWith('0x') ? data.slice(0) : data, '0x02');
      assert.ok(result.isOk);
      const { flags, data: output } = result.asOk.result;
      assert.equal(flags.toNumber?.() ?? Number(flags.bits), 1, 'it reverts');
      // Ok by ink!, Err by the contract: BadSettings is the first of its errors.
      assert.deepEqual([...output.toU8a(true)], [0, 1, 0]);
    }
    errorsSeen.add('BadSettings');
  });

  test('registry', async () => {
    const { alice, bob } = who;
    await refused('BondTooSmall', alice, 'register_api', [newApi()], BOND - 1n);
    await refused('BadName', alice, 'register_api', [newApi({ name: 'Weather' })], BOND);
    await refused('ListingTooLong', alice, 'register_api', [newApi({ listing: { ...listing, tags: ['x'.repeat(33)] } })], BOND);
    await refused('TooManyMethods', alice, 'register_api', [newApi({ methods: Array(65).fill(methods[0]) })], BOND);
    await refused('BadMethod', alice, 'register_api', [newApi({ methods: [{ ...methods[0], units: 0 }] })], BOND);
    await refused('BadSla', alice, 'register_api', [newApi({ listing: { ...listing, sla: { p95Ms: 1, availabilityBps: 10_001 } } })], BOND);
    const { answer: number, emitted } = await call(alice, 'register_api', [newApi()], BOND);
    assert.equal(number, 0);
    assert.equal(emitted[0].topics.length, 1, 'its own name is its only topic');
    const { event, args } = contract.abi.decodeEvent(emitted[0]);
    assert.equal(event.identifier, 'marketplace::events::ApiRegistered');
    assert.equal(args[1].toString(), alice.address);
    await call(bob, 'register_api', [newApi({ name: 'maps' })], BOND);
    await refused('NoSuchApi', alice, 'update_api', [9, listing]);
    await refused('NotProvider', bob, 'update_api', [0, listing]);
    await call(alice, 'update_api', [0, { ...listing, document: 'changed' }]);
    await call(alice, 'add_methods', [0, methods]);
    assert.equal((await call(alice, 'set_price', [0, 3])).answer > 0, true);
    await call(alice, 'set_answer_key', [0, who.answers.publicKey]);
    await refused('KeyChangedLately', alice, 'set_answer_key', [0, who.key.publicKey]);
    await refused('NotPaused', alice, 'resume_api', [0]);
    await call(alice, 'pause_api', [0]);
    await refused('NotActive', alice, 'pause_api', [0]);
    await call(alice, 'resume_api', [0]);
    await refused('NotRetired', alice, 'withdraw_bond', [0]);
    await call(alice, 'add_bond', [0], CRN);
    assert.equal(await read('api_count'), 2);
    const shown = await read('api', 0);
    assert.deepEqual([shown.unitPrice, shown.methods.length, shown.listing.document, BigInt(shown.bond)], [3, 4, 'changed', BOND + CRN]);
    assert.equal((await read('apis', 0, 10)).length, 2);
    assert.deepEqual((await read('offers', 'maps', 0, 10)).map(({ api: id }) => id), [1]);
  });

  test('plans', async () => {
    const { alice, bob, charlie } = who;
    await refused('BadPlan', alice, 'add_plan', [0, { ...plan, periodMs: 1 }]);
    await call(alice, 'add_plan', [0, plan]);
    await call(alice, 'add_plan', [0, { ...plan, price: 1 }]);
    await refused('NoSuchPlan', bob, 'subscribe', [0, 7]);
    await refused('BalanceTooLow', bob, 'subscribe', [0, 0]);
    await refused('NothingSent', bob, 'deposit');
    await call(bob, 'deposit', [], 100n * CRN);
    await call(bob, 'subscribe', [0, 0]);
    await refused('OtherPlan', bob, 'subscribe', [0, 1]);
    const subscribed = await now();
    while ((await now()) === subscribed) await sleep(500);
    const before = await freeBalance(api, alice.address);
    const { answer: collected } = await call(charlie, 'collect', [0, bob.address]);
    assert.equal(await freeBalance(api, alice.address) - before > 0n && collected !== null, true);
    const subscription = await read('subscription', 0, bob.address);
    assert.equal(subscription.units, 100);
    // The period that runs stays paid: all of its units may have been used.
    await refused('NothingDue', bob, 'cancel_subscription', [0]);
    await call(bob, 'subscribe', [0, 0]);
    await call(bob, 'cancel_subscription', [0]);
    assert.equal(Number((await read('subscription', 0, bob.address)).endsMs), Number(subscription.endsMs));
    await refused('NotSubscribed', charlie, 'cancel_subscription', [0]);
    await refused('NotSubscribed', bob, 'collect', [0, charlie.address]);
    await call(charlie, 'deposit', [], CRN);
    await repeat(24, charlie, 'subscribe', [0, 1]);
    await refused('TooFarAhead', charlie, 'subscribe', [0, 1]);
    await call(charlie, 'cancel_subscription', [0]);
    await repeat(14, alice, 'add_plan', [0, plan]);
    await refused('TooManyPlans', alice, 'add_plan', [0, plan]);
    await call(alice, 'close_plan', [0, 1]);
    await refused('PlanClosed', charlie, 'subscribe', [0, 1]);
    assert.equal((await read('plans', 0)).length, 16);
  });

  test('escrow, and every attack on vouchers', async () => {
    const { alice, bob, charlie, key } = who;
    const expires = (await now()) + 600_000;
    await refused('BadExpiry', bob, 'authorize_signer', [key.publicKey, CRN, 1, null]);
    await refused('NoSuchSigner', alice, 'redeem', voucher());
    await call(bob, 'authorize_signer', [key.publicKey, 3n * CRN, expires, null]);
    await refused('SignerActive', bob, 'authorize_signer', [key.publicKey, CRN, expires, null]);
    const before = await freeBalance(api, alice.address);
    // Somebody else sends it; the provider is paid.
    await call(charlie, 'redeem', voucher());
    assert.equal(await freeBalance(api, alice.address), before + CRN);
    await refused('NothingDue', alice, 'redeem', voucher());
    await refused('NothingDue', alice, 'redeem', voucher({ value: CRN / 2n }));
    await refused('WrongChain', alice, 'redeem', voucher({ genesis: new Uint8Array(32) }));
    await refused('WrongContract', alice, 'redeem', voucher({ contract: new Uint8Array(32) }));
    await refused('WrongProvider', bob, 'redeem', voucher({ provider: bob.publicKey }));
    await refused('WrongProvider', bob, 'redeem', voucher({ api: 1 }));
    await refused('WrongEpoch', alice, 'redeem', voucher({ epoch: 2 }));
    await refused('NoSuchApi', alice, 'redeem', voucher({ api: 9 }));
    await refused('BadSignature', alice, 'redeem', [voucher({ value: 2n * CRN })[0], voucher()[1]]);
    const standing = await read('standing', bob.address, key.publicKey, 0);
    assert.equal(BigInt(standing.redeemable), 2n * CRN);
    await call(alice, 'redeem', voucher({ calls: 9000, value: 9n * CRN }));
    assert.equal(await freeBalance(api, alice.address) - before < 3n * CRN, true, 'the cap holds');
    await refused('CapReached', alice, 'redeem', voucher({ value: 10n * CRN }));
    await refused('CapLowered', bob, 'extend_signer', [key.publicKey, 1, expires]);
    await call(bob, 'extend_signer', [key.publicKey, 500n * CRN, expires]);
    await refused('BalanceTooLow', bob, 'request_withdraw', [1000n * CRN]);
    const { balance } = await read('account', bob.address);
    await call(bob, 'request_withdraw', [BigInt(balance)]);
    await refused('Thawing', bob, 'withdraw');
    const ready = Number((await read('account', bob.address)).thawsAtMs);
    await call(alice, 'redeem', voucher({ value: 9n * CRN }));
    await until(ready);
    await call(bob, 'withdraw');
    await refused('BalanceTooLow', alice, 'redeem', voucher({ value: 20n * CRN }));
    await refused('SignerActive', alice, 'close_signer', [bob.address, key.publicKey]);
    await refused('SignerActive', alice, 'forget_paid', [bob.address, 1, 0]);
    await call(bob, 'revoke_signer', [key.publicKey]);
    await refused('SignerRevoked', bob, 'revoke_signer', [key.publicKey]);
    const closes = Number((await read('signer', bob.address, key.publicKey)).closesAtMs);
    await until(closes);
    await refused('SignerClosed', alice, 'redeem', voucher({ value: 30n * CRN }));
    await call(charlie, 'close_signer', [bob.address, key.publicKey]);
    assert.equal(BigInt((await read('paid', bob.address, 1, 0)).value), 9n * CRN);
    await call(charlie, 'forget_paid', [bob.address, 1, 0]);
    const { owed, balance: held } = await read('solvency');
    assert.ok(BigInt(held) >= BigInt(owed));
  });

  test('a provider without an account is not paid less than an account needs', async () => {
    const { bob, charlie, key, poor } = who;
    await submit(api, who.alice, api.tx.balances.transferKeepAlive(poor.address, 100n * CRN), { until: 'inBlock' });
    const { answer: number } = await call(poor, 'register_api', [newApi()], BOND);
    await submit(api, poor, api.tx.balances.transferAll(charlie.address, false), { until: 'inBlock' });
    await call(bob, 'deposit', [], CRN);
    await call(bob, 'authorize_signer', [key.publicKey, CRN, (await now()) + 600_000, null]);
    await refused('TransferFailed', charlie, 'redeem', voucher({ api: number, provider: poor.publicKey, epoch: 2, value: 1 }));
  });

  test('quality and disputes', async () => {
    const { alice, bob, charlie } = who;
    await refused('NotCustomer', charlie, 'rate', [0, 5]);
    await refused('BadStars', bob, 'rate', [0, 6]);
    await call(bob, 'rate', [0, 4]);
    await refused('BadReport', bob, 'attest', [0, { calls: 1, failed: 2, latencyMs: 1 }]);
    await call(bob, 'attest', [0, { calls: 100, failed: 1, latencyMs: 900 }]);
    const quality = await read('quality', 0);
    assert.equal(BigInt(quality.starsWeighted), 4n * BigInt(quality.starsWeight));
    assert.equal((await read('patron', 0, bob.address)).stars, 4);
    const [first, second] = [answer(1), answer(2)];
    await refused('NoConflict', charlie, 'report_conflict', [...first, ...first]);
    await refused('NoSuchMethod', charlie, 'report_conflict', [...answer(1, { method: 99 }), ...answer(2, { method: 99 })]);
    await refused('NotDeterministic', charlie, 'report_conflict', [...answer(1, { method: 1 }), ...answer(2, { method: 1 })]);
    await refused('NotAnswerKey', charlie, 'report_conflict', [...answer(1, { key: bob.publicKey }), ...answer(2, { key: bob.publicKey })]);
    await refused('BadSignature', charlie, 'report_conflict', [first[0], second[1], ...second]);
    await call(charlie, 'report_conflict', [...first, ...second]);
    assert.equal(BigInt((await read('api', 0)).bond), 0n);
    await refused('Retired', alice, 'set_price', [0, 1]);
    // The other API ends in peace.
    await call(bob, 'retire_api', [1]);
    const { at } = { at: Number((await read('api', 1)).status.retired.atMs) };
    await refused('Thawing', bob, 'withdraw_bond', [1]);
    await until(at + THAW_MS);
    await call(bob, 'withdraw_bond', [1]);
  });

  test('nothing was left out', () => {
    const { types, spec } = JSON.parse(readFileSync(bundle('marketplace'), 'utf8'));
    const errors = types.find(({ type }) => type.path?.join('::') === 'marketplace::error::Error').type.def.variant.variants.map(({ name }) => name);
    // Four billion authorisations are more than a test makes.
    assert.deepEqual(errors.filter((name) => !errorsSeen.has(name)), ['EpochsExhausted']);
    assert.deepEqual(spec.messages.map(({ label }) => label).filter((name) => !costs.has(name)), []);
    const crn = (planck) => (Number(planck) / Number(CRN)).toFixed(4);
    const rows = spec.messages.map(({ label }) => {
      const { refTime, proofSize, deposit } = costs.get(label);
      return `| \`${label}\` | ${(Number(refTime) / 1e9).toFixed(2)} | ${Math.ceil(Number(proofSize) / 1024)} | ${deposit === 0n ? '' : crn(deposit)} |`;
    });
    const table = ['| message | time, ms | proof, KiB | deposit, CRN |', '| --- | --- | --- | --- |', ...rows].join('\n');
    console.log(table);
    if (COSTS) {
      const path = join(ROOT, COSTS);
      const text = readFileSync(path, 'utf8');
      const changed = text.replace(/(<!-- costs -->\n)[^]*?(\n<!-- end of costs -->)/, (_, start, end) => `${start}${table}${end}`);
      assert.notEqual(changed, text, `${path} has no marks, or the same table`);
      writeFileSync(path, changed);
    }
  });
});

describe('contracts by the command line and by other libraries', { timeout: seconds(600) }, () => {
  let network;
  let cli;
  const AS_ALICE = ['--account', '//Alice', '--yes'];
  const AS_BOB = ['--account', '//Bob', '--yes'];

  before(async () => {
    network = await Network.dev();
    await network.nodes[0].waitFinalized(1);
    cli = new Cli({ dir: network.dir, url: network.nodes[0].url });
  });

  after(() => network?.close());

  test('a contract that `contract new` began is made, filled, read and emptied', async () => {
    const { contract } = await cli.ok('contract', 'instantiate', bundle('own_jar'), ...AS_ALICE);
    const jar = [contract, '--bundle', bundle('own_jar')];
    const done = await cli.ok('contract', 'call', contract, 'tip', '--arg', 'thank you', '--value', '1.5', '--bundle', bundle('own_jar'), ...AS_BOB);
    const { address } = await devAccount('Bob');
    assert.deepEqual(done.contract_events, [{ name: 'Tipped', fields: { from: address, amount: '1500000000000', text: 'thank you' } }]);
    assert.equal((await cli.ok('contract', 'read', contract, 'in_jar', '--bundle', bundle('own_jar'))).value, '1500000000000');
    const { value } = await cli.ok('contract', 'read', contract, 'note', '--args', '{"number": 0}', '--bundle', bundle('own_jar'));
    assert.deepEqual(value, { from: address, amount: '1500000000000', text: 'thank you' });
    const no = await cli.run('contract', 'call', contract, 'empty', '--bundle', bundle('own_jar'), ...AS_BOB);
    assert.equal(no.code, EXIT.refused);
    assert.match(no.stdout + no.stderr, /NotOwner/);
    const none = await cli.run('contract', 'call', contract, 'spill', '--bundle', bundle('tip_jar'), ...AS_BOB);
    assert.equal(none.code, EXIT.usage);
    assert.match(none.stdout + none.stderr, /there are tip, empty/);
    const wrong = await cli.run('contract', 'read', contract, 'note', '--arg', '-1', '--bundle', bundle('tip_jar'));
    assert.match(wrong.stdout + wrong.stderr, /from 0 to 4294967295/);
    await cli.ok('contract', 'call', jar[0], 'empty', '--bundle', jar[2], ...AS_ALICE);
    const info = await cli.ok('contract', 'info', contract);
    assert.equal(info.code.contracts, 1);
    const used = await cli.run('contract', 'remove', info.code_hash, ...AS_ALICE);
    assert.match(used.stdout + used.stderr, /1 contracts are made of this code/);
  });

  test('a caller who can not pay is told so', async () => {
    await cli.ok('account', 'new', 'poor', '--no-phrase');
    await cli.ok('account', 'send', 'poor', '0.01', ...AS_ALICE);
    const poor = await cli.run('contract', 'instantiate', bundle('tip_jar'), '--account', 'poor', '--yes');
    assert.equal(poor.code, EXIT.refused);
    assert.equal(JSON.parse(poor.stdout || poor.stderr).error.code, 'BalanceTooLow');
    assert.match(poor.stdout + poor.stderr, /fund the account/);
  });

  test('the examples are uploaded, made and called; code goes when nobody needs it', async () => {
    const up = await cli.ok('contract', 'upload', bundle('flipper'), ...AS_ALICE);
    await cli.ok('contract', 'remove', up.code_hash, ...AS_ALICE);
    const gone = await cli.run('contract', 'remove', up.code_hash, ...AS_ALICE);
    assert.equal(gone.code, EXIT.refused);
    const { address: alice } = await devAccount('Alice');
    const { address: bob } = await devAccount('Bob');
    const token = await cli.ok('contract', 'instantiate', bundle('erc20'), '--args', '{"total_supply": "1_000"}', ...AS_ALICE);
    await cli.ok('contract', 'call', token.contract, 'transfer', '--args', JSON.stringify({ to: bob, value: 30 }), '--bundle', bundle('erc20'), ...AS_ALICE);
    assert.equal((await cli.ok('contract', 'read', token.contract, 'balance_of', '--arg', bob, '--bundle', bundle('erc20'))).value, '30');
    // A message that stores something can be asked, too, by somebody who could pay for that.
    const approve = ['contract', 'read', token.contract, 'approve', '--arg', bob, '--arg', '5', '--bundle', bundle('erc20')];
    const nobody = await cli.run(...approve);
    assert.equal(nobody.code, EXIT.refused);
    assert.match(nobody.stdout + nobody.stderr, /no account is named.*--account/s);
    await cli.ok(...approve, '--account', '//Alice');
    const wallet = await cli.ok('contract', 'instantiate', bundle('multisig'), '--args', JSON.stringify([[alice, bob], 2]), '--value', '5', ...AS_ALICE);
    const on = ['--bundle', bundle('multisig')];
    await cli.ok('contract', 'call', wallet.contract, 'propose', '--arg', bob, '--arg', '1_000_000_000_000', ...on, ...AS_ALICE);
    const paid = await cli.ok('contract', 'call', wallet.contract, 'agree', '--arg', '0', ...on, ...AS_BOB);
    assert.deepEqual([paid.value, paid.contract_events[0].name], [true, 'Paid']);
  });

  /** Gives a test what polkadot-api knows of the chain, without generated types. */
  async function withPapi(use) {
    const client = createClient(getWsProvider(network.nodes[0].url, { websocketClass: WebSocket }));
    try {
      await use(client.getUnsafeApi(), (await client.getChainSpecData()).genesisHash);
    } finally {
      client.destroy();
    }
  }

  /** A bundle in polkadot-api's ink SDK. */
  function inkSdk(papi, name) {
    const ink = { metadata: JSON.parse(readFileSync(bundle(name), 'utf8')) };
    const sdk = createInkV5Sdk(papi, ink);
    return { ink, sdk, deployer: sdk.getDeployer(hexToU8a(ink.metadata.source.wasm)) };
  }

  test("polkadot-api's ink SDK loads the examples", () => withPapi(async (papi) => {
    const { address: alice } = await devAccount('Alice');
    const { address: bob } = await devAccount('Bob');
    const examples = { flipper: { on: true }, tip_jar: {}, erc20: { total_supply: 1000n }, multisig: { owners: [alice, bob], threshold: 2 } };
    for (const [name, data] of Object.entries(examples)) {
      // A salt of its own: the command line may have made the same contract.
      const tried = await inkSdk(papi, name).deployer.dryRun('new', { origin: alice, data, options: { salt: new Uint8Array([7]) } });
      assert.equal(tried.success, true, `${name}: ${inspect(tried.value)}`);
    }
  }));

  test("polkadot-api's ink SDK makes the marketplace and calls it", () => withPapi(async (papi, genesis) => {
    const alice = await devAccount('Alice');
    const signer = getPolkadotSigner(alice.publicKey, 'Sr25519', (bytes) => alice.sign(bytes));
    const origin = alice.address;
    const { ink, sdk, deployer } = inkSdk(papi, 'marketplace');
    const terms = { genesis, treasury: origin, thaw_ms: 2000n, bond_min: CRN };

    // An error of the constructor has its name.
    assert.deepEqual(await deployer.dryRun('new', { origin, data: { ...terms, thaw_ms: 999n } }),
      { success: false, value: { type: 'BadSettings', value: undefined } });
    const tried = await deployer.dryRun('new', { origin, data: terms });
    assert.equal(tried.success, true, inspect(tried.value));
    const made = await tried.value.deploy().signAndSubmit(signer);
    assert.equal(made.ok, true, inspect(made.dispatchError));
    const [{ address }] = sdk.readDeploymentEvents(made.events);
    assert.equal(address, tried.value.address);
    const contract = sdk.getContract(address);
    assert.deepEqual((await contract.query('settings', { origin })).value.response, terms);

    const newApi = {
      name: 'weather', unit_price: 5n, answer_key: u8aToHex(alice.publicKey),
      listing: {
        cairn_name: 'weather.cairn', openapi_hash: u8aToHex(new Uint8Array(32).fill(3)), document: 'https://example.org/openapi.json',
        endpoints: ['https://example.org'], tags: ['weather'], free_units: 10n, sla: { p95_ms: 200, availability_bps: 9990 },
      },
      methods: [{ name: 'GET /digest', units: 1, deterministic: true }],
    };
    const data = { new_api: newApi };
    // With polkadot-api 2 this SDK trips over a message's error (it asks bytes for `asHex`); its codecs alone read it.
    const message = getInkClient(ink).message('register_api');
    const { result } = await papi.apis.ContractsApi.call(origin, address, CRN - 1n, undefined, undefined, message.encode(data));
    assert.deepEqual(message.decode(result.value).value, { success: false, value: { type: 'BondTooSmall', value: undefined } });

    const registering = await contract.query('register_api', { origin, data, value: CRN });
    assert.equal(registering.success, true, inspect(registering.value));
    const registered = [{ type: 'ApiRegistered', value: { api: 0, provider: origin, name: 'weather' } }];
    assert.deepEqual([registering.value.response, registering.value.events], [0, registered]);
    const sent = await registering.value.send().signAndSubmit(signer);
    assert.equal(sent.ok, true, inspect(sent.dispatchError));
    assert.deepEqual(contract.filterEvents(sent.events), registered);

    const { response: shown } = (await contract.query('api', { origin, data: { api: 0 } })).value;
    assert.deepEqual([shown.provider, shown.bond, shown.status.type], [origin, CRN, 'Active']);
    assert.deepEqual([shown.name, shown.unit_price, shown.answer_key, shown.listing, shown.methods],
      [newApi.name, newApi.unit_price, newApi.answer_key, newApi.listing, newApi.methods]);
    const root = await contract.getStorage().getRoot();
    assert.deepEqual([root.value.settings, root.value.api_count], [terms, 1], 'the layout of its storage is in the bundle too');
  }));
});
