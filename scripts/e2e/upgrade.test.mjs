// SPDX-License-Identifier: Apache-2.0
// A runtime upgrade decided by a referendum, from the proposal to blocks of the new version.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { blake2AsHex } from '@polkadot/util-crypto';
import { CRN, connect, devAccount, freeBalance, submit, waitEvent } from './lib/chain.mjs';
import { Network } from './lib/network.mjs';
import { variant } from './lib/paths.mjs';
import { seconds, until } from './lib/wait.mjs';

const ROOT_TRACK = 0;
const CONVICTION = 'Locked1x';

describe('a runtime upgrade by referendum', { timeout: seconds(600) }, () => {
  let network;
  let node;
  let api;
  let code;
  let index;
  const voters = {};
  let versionBefore;
  let charlieBefore;

  before(async () => {
    code = readFileSync(variant('upgrade-rehearsal', 'CAIRN_UPGRADE_WASM'));
    network = await Network.dev();
    [node] = network.nodes;
    api = await connect(node.url);
    for (const name of ['Alice', 'Bob', 'Charlie', 'Dave']) voters[name] = await devAccount(name);
    versionBefore = api.runtimeVersion.specVersion.toNumber();
    charlieBefore = await freeBalance(api, voters.Charlie.address);
  });

  after(async () => {
    await api?.disconnect();
    await network?.close();
  });

  const referendum = async () => (await api.query.referenda.referendumInfoFor(index)).unwrap();

  test('anyone proposes it: the preimage is noted and the referendum submitted', async () => {
    const call = api.tx.system.authorizeUpgrade(blake2AsHex(code)).method;
    const bytes = call.toHex();
    await submit(api, voters.Alice, api.tx.preimage.notePreimage(bytes), { until: 'inBlock' });
    const { events } = await submit(api, voters.Alice, api.tx.referenda.submit(
      { system: 'Root' },
      { Lookup: { hash: call.hash.toHex(), len: call.encodedLength } },
      { After: 0 },
    ), { until: 'inBlock' });
    const submitted = events.find(({ event }) => event.section === 'referenda' && event.method === 'Submitted');
    index = submitted.event.data.index.toNumber();
    assert.equal(submitted.event.data.track.toNumber(), ROOT_TRACK);
    assert.ok((await referendum()).isOngoing);
  });

  test('the code cannot be changed before the vote', async () => {
    await assert.rejects(
      submit(api, voters.Bob, api.tx.system.authorizeUpgrade(blake2AsHex(code)), { until: 'inBlock' }),
      /BadOrigin/,
    );
  });

  test('holders vote, and it is approved', async () => {
    await submit(api, voters.Alice, api.tx.referenda.placeDecisionDeposit(index), { until: 'inBlock' });
    await Promise.all(Object.values(voters).map(async (voter) => {
      const balance = (await freeBalance(api, voter.address)) * 9n / 10n;
      const vote = { Standard: { vote: { aye: true, conviction: CONVICTION }, balance } };
      await submit(api, voter, api.tx.convictionVoting.vote(index, vote), { until: 'inBlock' });
    }));
    const { tally } = (await referendum()).asOngoing;
    assert.equal(tally.nays.toBigInt(), 0n);
    assert.ok(tally.ayes.toBigInt() > 0n && tally.support.toBigInt() > 0n);

    await until('the referendum is approved', async () => {
      const info = await referendum();
      assert.ok(info.isOngoing || info.isApproved, `it ended as ${info.type}`);
      if (info.isApproved) return true;
      throw new Error(JSON.stringify(info.asOngoing.deciding));
    }, { timeoutMs: seconds(240), everyMs: 1000 });
  });

  test('it is enacted: the upgrade is authorized, and only that code is', async () => {
    const authorized = await until('the upgrade is authorized', async () => {
      const found = await api.query.system.authorizedUpgrade();
      return found.isSome && found.unwrap();
    }, { timeoutMs: seconds(180), everyMs: 1000 });
    assert.equal(authorized.codeHash.toHex(), blake2AsHex(code));
    const other = Buffer.concat([code, Buffer.from([0])]);
    await assert.rejects(
      submit(api, voters.Bob, api.tx.system.applyAuthorizedUpgrade(`0x${other.toString('hex')}`), { until: 'inBlock' }),
    );
  });

  test('anyone applies it, and the chain goes on with the new version', async () => {
    // What this connection decodes while the runtime changes is a matter of luck: @polkadot/api then takes metadata of
    // version 14, and counts types anew, after having started with a later version. So a new connection looks.
    const apply = await api.tx.system.applyAuthorizedUpgrade(`0x${code.toString('hex')}`).signAsync(voters.Bob, { nonce: -1 });
    const from = await node.bestNumber();
    await node.call('author_submitExtrinsic', apply.toHex());

    const version = await until('the new version is in force', async () => {
      const { specVersion } = await node.call('state_getRuntimeVersion');
      return specVersion > versionBefore && specVersion;
    });
    const height = await node.bestNumber();
    await node.waitFinalized(height + 3);

    const renewed = await connect(node.url);
    try {
      await waitEvent(renewed, 'system', 'CodeUpdated', { from });
      assert.equal(renewed.runtimeVersion.specVersion.toNumber(), version);
      const recorded = (await renewed.query.system.lastRuntimeUpgrade()).unwrap();
      assert.equal(recorded.specVersion.toNumber(), version);
      await submit(renewed, voters.Dave, renewed.tx.balances.transferKeepAlive(voters.Charlie.address, CRN));
      // Vote locks do not change what is owned: nothing got lost on the way.
      assert.ok(await freeBalance(renewed, voters.Charlie.address) > charlieBefore - CRN);
    } finally {
      await renewed.disconnect();
    }
  });
});
