// SPDX-License-Identifier: Apache-2.0
// What scripts/chain-spec takes for a genesis, and what it says of others.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Keyring } from '@polkadot/keyring';
import { cryptoWaitReady } from '@polkadot/util-crypto';

const root = join(import.meta.dirname, '../..');

const CRN = 10 ** 12;

describe('a genesis of one\'s own', { concurrency: false }, () => {
  let dir, sr, ed;
  const address = (ring, name) => ring.addFromUri(`//${name}`).address;

  before(async () => {
    await cryptoWaitReady();
    dir = mkdtempSync(join(tmpdir(), 'cairn-chain-spec-'));
    [sr, ed] = [new Keyring({ type: 'sr25519', ss58Format: 42 }), new Keyring({ type: 'ed25519', ss58Format: 42 })];
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** The template, filled in for these validators. Amounts are text, with an `n` behind it: JavaScript's numbers are too small. */
  const filled = (...names) => {
    const spec = JSON.parse(readFileSync(join(root, 'chain-spec/production.template.json'), 'utf8'));
    const { patch } = spec.genesis.runtimeGenesis;
    spec.bootNodes = ['/dns/boot.example.org/tcp/30333/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'];
    const stashes = names.map((name) => address(sr, `${name}//stash`));
    patch.balances.balances = [[address(sr, 'Holder'), '5000000000000000n'], ...stashes.map((stash) => [stash, '2000000000000000000n'])];
    patch.session.keys = stashes.map((stash, i) => [stash, stash, {
      grandpa: address(ed, names[i]), babe: address(sr, names[i]), authority_discovery: address(sr, `${names[i]}//audi`),
    }]);
    patch.staking.stakers = stashes.map((stash) => [stash, stash, '1000000000000000000n', 'Validator']);
    return spec;
  };
  const make = (spec) => {
    const file = join(dir, 'template.json');
    writeFileSync(file, typeof spec === 'string' ? spec : JSON.stringify(spec).replace(/"(\d+)n"/g, '$1'));
    return spawnSync(join(root, 'scripts/chain-spec'), [file], { encoding: 'utf8', maxBuffer: 64 << 20 });
  };

  test('is made when it can work', () => {
    const { status, stdout, stderr } = make(filled('One', 'Two', 'Three', 'Four'));
    assert.equal(status, 0, stderr);
    assert.equal(JSON.parse(stdout).genesis.runtimeGenesis.patch.staking.stakers.length, 4);
  });

  test('is refused, with the field and what to do, when it can not', () => {
    const wrong = (change, ...words) => {
      const spec = filled('One', 'Two');
      change(spec.genesis.runtimeGenesis.patch, spec);
      const { status, stderr } = make(spec);
      assert.notEqual(status, 0, String(words));
      for (const word of words) assert.match(stderr, word);
      assert.ok(stderr.split('\n').length < 12, stderr);
    };
    const stash = address(sr, 'One//stash');
    wrong((patch) => { patch.staking.stakers = []; patch.session.keys = []; }, /names no Validator/);
    wrong((patch) => { patch.staking.stakers = patch.staking.stakers.map(([a, b, stake]) => [a, b, stake, 'Idle']); }, /names no Validator/);
    wrong((patch) => { delete patch.session; }, /would never make a block/);
    for (const [, , keys] of [0, 1].map((i) => filled('One', 'Two').genesis.runtimeGenesis.patch.session.keys[i])) {
      wrong((patch) => { patch.session.keys[0][2] = { ...keys, grandpa: keys.babe, babe: keys.grandpa }; }, /are two keys exchanged|is the key of 2 validators/);
    }
    wrong((patch) => { patch.session.keys[0][2].babe = patch.session.keys[1][2].babe; }, /is the key of 2 validators/);
    wrong((patch) => { patch.session.keys[0][2].grandpa = patch.session.keys[0][2].babe; }, /can't be both babe and grandpa|exchanged/);
    wrong((patch) => { delete patch.session.keys[0][2].babe; }, /must name grandpa, babe, authority_discovery/);
    wrong((patch) => { patch.session.keys.push(patch.session.keys[0]); }, /more than once/);
    wrong((patch) => { patch.session.keys[0][1] = address(sr, 'Two//stash'); }, /write the stash twice/);
    wrong((patch) => { patch.staking.validatorCount = 0; }, /validatorCount is 0/);
    wrong((patch) => { patch.staking.validatorCount = -1; }, /validatorCount is -1/);
    wrong((patch) => { patch.staking.minimumValidatorCount = 3; }, /minimumValidatorCount is 3, and there are 2/);
    wrong((patch) => { Object.assign(patch.staking, { validatorCount: 1, minimumValidatorCount: 2 }); }, /below minimumValidatorCount 2/);
    wrong((patch) => { patch.staking.maxValidatorCount = 1; }, /maxValidatorCount is 1/);
    wrong((patch) => { patch.staking.minValidatorBond = '1000000000000000001n'; }, /below the least/);
    wrong((patch) => { patch.staking.stakers[0][2] = '2000000000000000000n'; }, /more than its stake/);
    wrong((patch) => { patch.staking.stakers[0][2] = 1.5 * CRN + 0.5; }, /whole number of plancks/);
    wrong((patch) => { patch.balances.balances[0][1] = '340282366920938463463374607431768211455n'; }, /below 2\^128/);
    wrong((patch) => { patch.balances.balances[0][1] = '340282366920938463463374607431768211456n'; }, /whole number of plancks below 2\^128/);
    wrong((patch) => { patch.balances.balances.push(patch.balances.balances[0]); }, /more than once/);
    wrong((patch) => { patch.balances.balances[0] = [stash.replace(/.$/, (c) => (c === 'A' ? 'B' : 'A')), CRN]; }, /is no address/);
    wrong((patch) => { patch.balances.balances[0] = [stash]; }, /write each entry as \[address, plancks\]/);
    wrong((patch) => { patch.balances.balances[0][1] = 1; }, /at least 1000000000 plancks/);
    wrong((patch) => { patch.balances.balances[0] = ['\u001b[31m', CRN]; }, /"\\u001b\[31m", which is no address/);
    wrong((patch) => { delete patch.babe; }, /babe.epochConfig is missing/);
    for (const c of [[0, 0], [0, 4], [5, 4], [1], 7, [1, -4]]) wrong((patch) => { patch.babe.epochConfig.c = c; }, /epochConfig.c is/);
    wrong((patch) => { patch.babe.epochConfig.allowed_slots = 'PrimarySlots'; }, /write PrimaryAndSecondaryVRFSlots/);
    wrong((patch) => { patch.staking.forceEra = 'ForceNone'; }, /write NotForcing/);
    wrong((patch) => { patch.staking.slashRewardFraction = 2_000_000_000; }, /at most 1000000000/);
    wrong((patch) => { patch.staking.stakers[0][3] = 'validator'; }, /write Validator, Idle or/);
    wrong((patch) => {
      patch.staking.stakers.push([address(sr, 'Holder'), address(sr, 'Holder'), '20000000000000n', { Nominator: [address(sr, 'Nobody')] }]);
    }, /who is no Validator there/);
    wrong((patch, spec) => { spec.properties.tokenDecimals = 18; }, /tokenDecimals is 18: the runtime has 12/);
    wrong((patch, spec) => { spec.bootNodes = ['boot.example.org:30333']; }, /bootNodes has .*p2p/);
  });

  test('is refused by the runtime in some lines, not in as many as it has', () => {
    const spec = filled('One', 'Two');
    spec.genesis.runtimeGenesis.patch.staking.validatorcount = 4;
    const { status, stderr } = make(spec);
    assert.notEqual(status, 0);
    assert.match(stderr, /the runtime refuses this genesis:.*validatorcount/s);
    assert.ok(stderr.split('\n').length < 12, stderr);
  });

  test('that is no JSON is called that', () => {
    for (const text of ['', '{', '[]', '"x"', 'null', '{"genesis": 7}', '['.repeat(100000)]) {
      const { status, stderr } = make(text);
      assert.notEqual(status, 0);
      assert.match(stderr, /is no JSON|has no genesis\.runtimeGenesis\.patch/, text.slice(0, 40));
      assert.ok(!stderr.includes('Traceback'), stderr);
    }
  });
});
