// SPDX-License-Identifier: Apache-2.0
// Names from registration to a resolver's answer, with the resolvers that people have.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CRN, connect, devAccount, submit, waitEvent } from './lib/chain.mjs';
import { Cli, EXIT } from './lib/cli.mjs';
import { Gateway, run } from './lib/gateway.mjs';
import { Network } from './lib/network.mjs';
import { binary } from './lib/paths.mjs';
import { exportSpec, formatSpec, withNetwork } from './lib/spec.mjs';
import { seconds, until } from './lib/wait.mjs';

const AS_ALICE = ['--account', '//Alice', '--yes'];
const AS_BOB = ['--account', '//Bob', '--yes'];

/** A development chain of one validator on which the periods of names are divided by `speedup`. */
async function chain(speedup) {
  const network = new Network();
  return network.orClose(async () => {
    network.spec = network.file('names.json', formatSpec(withNetwork(exportSpec('dev'), { namesSpeedup: speedup })));
    await network.addValidator('dev', { as: 'alice', args: ['--force-authoring'] });
    return network;
  });
}

describe('names', { timeout: seconds(900) }, () => {
  let network;
  let node;
  let api;
  let cli;
  let gateway;

  before(async () => {
    // Commitments ripen in two blocks.
    network = await chain(8);
    [node] = network.nodes;
    await node.waitFinalized(2);
    api = await connect(node.url);
    cli = new Cli({ dir: network.dir, url: node.url });
    gateway = await Gateway.start(network, cli);
  });

  after(async () => {
    await api?.disconnect();
    await gateway?.process.kill();
    await network?.close();
  });

  test('a registered name is answered at once, and costs what was said', async () => {
    assert.equal(await gateway.status('blog.cairn', 'A'), 'NXDOMAIN');
    const { price, free } = await cli.ok('name', 'price', 'blogs', '--years', '2');
    assert.equal(free, true);
    const treasury = async () => (await api.query.system.account(api.consts.treasury.potAccount)).data.free.toBigInt();
    const before = await treasury();
    const done = await cli.ok('name', 'register', 'blogs', '--years', '2', '--a', '192.0.2.7', '--aaaa', '2001:db8::7', '--txt', 'hello; "you"',
      '--record', 'www CNAME blogs.cairn.', '--record', '*.user A 192.0.2.9', ...AS_ALICE);
    assert.equal(done.price.units, price.units);
    assert.equal(BigInt(price.units), 10n * CRN);
    assert.equal((await treasury()) - before, 10n * CRN);
    await until('the answer', async () => (await gateway.answer('blogs.cairn', 'A')).length > 0, { everyMs: 50 });
    assert.deepEqual(await gateway.answer('blogs.cairn', 'A'), ['192.0.2.7']);
    assert.deepEqual(await gateway.answer('BLOGS.Cairn', 'AAAA', '+tcp'), ['2001:db8::7']);
    assert.deepEqual(await gateway.answer('blogs.cairn', 'TXT'), ['"hello; \\"you\\""']);
    assert.deepEqual(await gateway.answer('www.blogs.cairn', 'A'), ['192.0.2.7', 'blogs.cairn.']);
    assert.deepEqual(await gateway.answer('ann.user.blogs.cairn', 'A'), ['192.0.2.9']);
    assert.equal(await gateway.status('nothing.blogs.cairn', 'A'), 'NXDOMAIN');
    assert.equal(await gateway.status('blogs.cairn', 'MX'), 'NOERROR');
    assert.equal(await gateway.status('example.org', 'A'), 'REFUSED');

    const shown = await cli.ok('name', 'show', 'blogs.cairn');
    assert.equal(shown.owner, (await devAccount('Alice')).address);
    assert.equal(shown.zones[0].records.length, 5);
    const { names } = await cli.ok('name', 'list', '//Alice');
    assert.deepEqual(names.map(({ name }) => name), ['blogs']);
    assert.equal((await cli.ok('name', 'price', 'blogs')).free, false);
  });

  test('kdig over TLS and HTTPS, delv from our DS, curl over HTTPS', async () => {
    for (const transport of ['+tcp', '+tls', '+https']) {
      const port = { '+tcp': gateway.dns, '+tls': gateway.dot, '+https': gateway.doh }[transport];
      const { stdout } = await run('kdig', ['@127.0.0.1', '-p', String(port), transport, '+short', 'blogs.cairn', 'A']);
      assert.equal(stdout.trim(), '192.0.2.7', transport);
    }
    const { bind, ds } = await cli.ok('gateway', 'trust-anchor', '--data', gateway.data);
    assert.match(ds, /^cairn\.\s.*\bDS\b/);
    const anchors = network.file('anchors.conf', bind);
    const delv = (name, type) => run('delv', ['@127.0.0.1', '-p', String(gateway.dns), '-a', anchors, '+root=cairn', name, type]);
    for (const [name, type, expected] of [
      ['blogs.cairn', 'A', /; fully validated\n.*192\.0\.2\.7/s],
      ['www.blogs.cairn', 'A', /; fully validated\n.*192\.0\.2\.7/s],
      ['ann.user.blogs.cairn', 'A', /; fully validated\n.*192\.0\.2\.9/s],
      ['blogs.cairn', 'MX', /; negative response, fully validated/],
      ['nobody-has-this.cairn', 'A', /; negative response, fully validated/],
    ]) {
      const { stdout, stderr } = await delv(name, type);
      assert.match(stdout + stderr, expected, `${name} ${type}`);
    }
    // Another key's DS is not believed.
    const other = network.file('other.conf', bind.replace(/"([0-9A-Fa-f]{8})/, (all, digits) => `"${digits === '00000000' ? '11111111' : '00000000'}`));
    const forged = await run('delv', ['@127.0.0.1', '-p', String(gateway.dns), '-a', other, '+root=cairn', 'blogs.cairn', 'A']);
    assert.doesNotMatch(forged.stdout, /fully validated/);

    const web = createServer((_, response) => response.end('a page')).listen(0, '127.0.0.1');
    try {
      await cli.ok('name', 'set', 'blogs', 'A', '127.0.0.1', ...AS_ALICE);
      await until('the change', async () => (await gateway.answer('blogs.cairn', 'A'))[0] === '127.0.0.1');
      const { port } = web.address();
      const { stdout, stderr } = await run('curl', ['-sS', '--doh-insecure', '--doh-url', `https://127.0.0.1:${gateway.doh}/dns-query`, `http://blogs.cairn:${port}/`]);
      assert.equal(stdout, 'a page', stderr);
    } finally {
      web.close();
    }
  });

  test('the system resolver finds it', { skip: process.getuid() !== 0 && 'making a network namespace takes root' }, async () => {
    const name = `cairn-e2e-${process.pid}`;
    const [host, inside] = [`ce${process.pid}a`.slice(0, 15), `ce${process.pid}b`.slice(0, 15)];
    const ip = async (...args) => {
      const { code, stderr } = await run('ip', args);
      assert.equal(code, 0, `ip ${args.join(' ')}: ${stderr}`);
    };
    let resolver;
    await ip('netns', 'add', name);
    try {
      await ip('link', 'add', host, 'type', 'veth', 'peer', 'name', inside, 'netns', name);
      await ip('address', 'add', '198.18.77.1/30', 'dev', host);
      await ip('link', 'set', host, 'up');
      await ip('-n', name, 'address', 'add', '198.18.77.2/30', 'dev', inside);
      await ip('-n', name, 'link', 'set', inside, 'up');
      resolver = await Gateway.start(network, cli, { listen: '198.18.77.1', args: ['--no-dnssec'] });
      const conf = network.file('resolv.conf', 'nameserver 198.18.77.1\n');
      const nsswitch = network.file('nsswitch.conf', 'hosts: dns\n');
      const { stdout, stderr } = await run('ip', ['netns', 'exec', name, 'unshare', '--mount', 'sh', '-c',
        `mount --bind ${conf} /etc/resolv.conf && { [ ! -e /etc/nsswitch.conf ] || mount --bind ${nsswitch} /etc/nsswitch.conf; } && getent ahostsv4 www.blogs.cairn`]);
      assert.match(stdout, /^127\.0\.0\.1\s+STREAM/m, stderr);
    } finally {
      await resolver?.process.kill();
      await run('ip', ['netns', 'delete', name]);
    }
  });

  test('a registration that is killed in between goes on where it was', async () => {
    const args = ['--url', node.url, '--quiet', 'name', 'register', 'resumed', '--a', '192.0.2.20', ...AS_ALICE];
    const folder = join(network.dir, 'data', 'cairn', 'names');
    const nonce = async () => (await api.rpc.system.accountNextIndex((await devAccount('Alice')).address)).toNumber();
    const before = await nonce();
    const from = await node.bestNumber();
    const first = spawn(binary('cairn'), args, { env: cli.env, stdio: 'ignore' });
    await waitEvent(api, 'names', 'Committed', { from });
    first.kill('SIGKILL');
    assert.equal(readdirSync(folder).filter((file) => file.includes('resumed')).length, 1, 'the salt is on disk');
    const other = await cli.run('name', 'register', 'resumed', '--a', '192.0.2.21', ...AS_ALICE);
    assert.equal(other.code, EXIT.usage, other.stderr);
    await cli.ok('name', 'register', 'resumed', ...AS_ALICE);
    assert.equal(await nonce(), before + 2, 'committed once, registered once');
    assert.equal(readdirSync(folder).filter((file) => file.includes('resumed')).length, 0);
    await until('the answer', async () => (await gateway.answer('resumed.cairn', 'A'))[0] === '192.0.2.20');
  });

  test('a registration copied from the pool by somebody who pays more gets nothing', async () => {
    const bob = await devAccount('Bob');
    const registering = cli.ok('name', 'register', 'wanted', '--a', '192.0.2.30', ...AS_ALICE);
    const copied = await until('the registration in the pool', async () => (await api.rpc.author.pendingExtrinsics())
      .find(({ method }) => method.section === 'names' && method.method === 'register'), { everyMs: 20 });
    const call = api.tx.names.register(...copied.method.args);
    const refused = await new Promise((resolve, reject) => {
      call.signAndSend(bob, { tip: CRN }, ({ status, dispatchError }) => {
        if (status.isFinalized) resolve(dispatchError);
      }).catch(reject);
    });
    assert.ok(refused?.isModule, 'the copy fails');
    assert.equal(api.registry.findMetaError(refused.asModule).name, 'CommitmentMissing');
    await registering;
    assert.equal((await cli.ok('name', 'show', 'wanted')).owner, (await devAccount('Alice')).address);
  });

  test('records, subdomains, managers, offers, primary names', async () => {
    await cli.ok('name', 'set', '_https._tcp.blogs', 'SRV', '0 5 443 blogs.cairn.', ...AS_ALICE);
    const zone = network.file('blogs.zone', [
      '$TTL 10m', '@ SOA ns hostmaster 1 2 3 4 5', '@ 300 A 192.0.2.40 ; a remark', '  IN MX ( 10 ; two lines', '  mail.example. )',
      'www IN CNAME @', '',
    ].join('\n'));
    await cli.ok('name', 'zone', 'blogs', zone, ...AS_ALICE);
    await until('the zone', async () => (await gateway.answer('blogs.cairn', 'MX'))[0] === '10 mail.example.');
    assert.deepEqual(await gateway.answer('www.blogs.cairn', 'CNAME'), ['blogs.cairn.']);
    assert.equal(await gateway.status('_https._tcp.blogs.cairn', 'SRV'), 'NXDOMAIN');
    await cli.ok('name', 'clear', 'blogs', 'MX', ...AS_ALICE);

    await cli.ok('name', 'subdomain', 'shop.blogs', '//Bob', ...AS_ALICE);
    await cli.ok('name', 'set', 'shop.blogs', 'A', '192.0.2.41', ...AS_BOB);
    await until('the subdomain', async () => (await gateway.answer('shop.blogs.cairn', 'A'))[0] === '192.0.2.41');
    // What the chain would refuse is said before there is a fee to pay.
    const bobsNonce = async () => (await cli.ok('account', 'show', '//Bob')).nonce;
    const before = await bobsNonce();
    assert.ok(before > 0);
    const foreign = await cli.run('name', 'set', 'blogs', 'A', '192.0.2.42', ...AS_BOB);
    assert.deepEqual([foreign.code, JSON.parse(foreign.stderr).error.code], [EXIT.refused, 'Names::NotAuthorized']);
    assert.equal(await bobsNonce(), before);
    await cli.ok('name', 'subdomain', 'shop.blogs', '--revoke', ...AS_ALICE);
    await until('no subdomain', async () => await gateway.status('shop.blogs.cairn', 'A') === 'NXDOMAIN');

    await cli.ok('name', 'manager', 'blogs', '//Bob', ...AS_ALICE);
    await cli.ok('name', 'set', 'blogs', 'A', '192.0.2.43', ...AS_BOB);
    await cli.ok('name', 'transfer', 'blogs', '//Bob', ...AS_ALICE);
    await cli.ok('name', 'accept', 'blogs', ...AS_BOB);
    const bob = await devAccount('Bob');
    assert.equal((await cli.ok('name', 'show', 'blogs')).owner, bob.address);

    const mismatch = await cli.run('name', 'primary', 'blogs', ...AS_BOB);
    assert.deepEqual([mismatch.code, JSON.parse(mismatch.stderr).error.code], [EXIT.refused, 'Names::PrimaryMismatch']);
    await cli.ok('name', 'set', 'blogs', 'ACCOUNT', '//Bob', ...AS_BOB);
    await cli.ok('name', 'primary', 'blogs', ...AS_BOB);
    assert.deepEqual((await cli.ok('name', 'list', '//Bob')).names.map(({ name, primary }) => [name, primary]), [['blogs', true]]);

    await cli.ok('name', 'renew', 'blogs', '--years', '3', ...AS_ALICE);
    const much = await cli.run('name', 'renew', 'blogs', '--years', '9', ...AS_ALICE);
    assert.equal(much.code, EXIT.refused);
    const dear = await cli.run('name', 'renew', 'blogs', '--max-price', '0.1', ...AS_ALICE);
    assert.deepEqual([dear.code, JSON.parse(dear.stderr).error.code], [EXIT.refused, 'Names::PriceAboveMax']);
    await cli.ok('name', 'release', 'blogs', ...AS_BOB);
    await until('nothing', async () => await gateway.status('blogs.cairn', 'A') === 'NXDOMAIN');
  });

  test('records are added and removed one by one, texts are stored as one, and zones come back as they were shown', async () => {
    await cli.ok('name', 'register', 'edited', '--a', '192.0.2.70', ...AS_ALICE);
    // A shell takes the quotes: readers of SPF join strings without spaces.
    const spf = await cli.ok('name', 'set', 'edited', 'TXT', 'v=spf1 include:_spf.example ~all', ...AS_ALICE);
    assert.deepEqual(spf.data, ['"v=spf1 include:_spf.example ~all"']);
    const key = `v=DKIM1; k=rsa; p=${'A'.repeat(392)}`;
    await cli.ok('name', 'set', 'mail._domainkey.edited', 'TXT', key, ...AS_ALICE);
    // Two hooks of a certificate's client at the same time.
    await Promise.all(['one', 'two'].map((value) => cli.ok('name', 'add', '_acme-challenge.edited', 'TXT', value, '--ttl', '60', ...AS_ALICE)));
    await until('both values', async () => (await gateway.answer('_acme-challenge.edited.cairn', 'TXT')).length === 2);
    assert.deepEqual(await gateway.answer('edited.cairn', 'TXT'), ['"v=spf1 include:_spf.example ~all"']);
    assert.equal((await gateway.answer('mail._domainkey.edited.cairn', 'TXT'))[0].replaceAll('" "', ''), `"${key}"`);
    assert.equal((await cli.ok('name', 'add', '_acme-challenge.edited', 'TXT', 'one', ...AS_ALICE)).status, 'unchanged');
    const missing = await cli.run('name', 'remove', '_acme-challenge.edited', 'TXT', 'three', ...AS_ALICE);
    assert.deepEqual([missing.code, JSON.parse(missing.stderr).error.code], [EXIT.refused, 'Names::RrSetMissing']);
    await cli.ok('name', 'remove', '_acme-challenge.edited', 'TXT', 'one', ...AS_ALICE);
    await until('one value', async () => (await gateway.answer('_acme-challenge.edited.cairn', 'TXT')).join() === '"two"');

    const { zone_file: shown } = await cli.ok('name', 'show', 'edited', '--zone-file');
    const file = network.file('edited.zone', shown);
    assert.equal((await cli.ok('name', 'zone', 'edited', file, ...AS_ALICE)).status, 'unchanged');
    // A script that fails gives an empty file; a dot that is forgotten makes other names.
    for (const text of ['', '; nothing\n@ SOA a. b. 1 2 3 4 5\n']) {
      const empty = await cli.run('name', 'zone', 'edited', network.file('empty.zone', text), ...AS_ALICE);
      assert.equal(empty.code, EXIT.usage, empty.stderr);
      assert.match(JSON.parse(empty.stderr).error.remedy, /--empty/);
    }
    const dotless = await cli.run('name', 'zone', 'edited', network.file('dotless.zone', 'edited.cairn 300 A 192.0.2.71\n'), ...AS_ALICE);
    assert.equal(dotless.code, EXIT.usage);
    assert.match(JSON.parse(dotless.stderr).error.message, /dotless\.zone, line 1: .*no dot at its end/);
    const changed = network.file('changed.zone', shown.replace('192.0.2.70', '192.0.2.72'));
    const dry = await cli.ok('name', 'zone', 'edited', changed, '--dry-run');
    assert.deepEqual([dry.status, dry.removed, dry.added], ['dry run', ['edited.cairn. 3600 A 192.0.2.70'], ['edited.cairn. 3600 A 192.0.2.72']]);
    assert.deepEqual(await gateway.answer('edited.cairn', 'A'), ['192.0.2.70']);
    assert.deepEqual((await cli.ok('name', 'zone', 'edited', changed, ...AS_ALICE)).added, dry.added);
    await until('the change', async () => (await gateway.answer('edited.cairn', 'A'))[0] === '192.0.2.72');
    await cli.ok('name', 'subdomain', 'shop.edited', '//Bob', ...AS_ALICE);
    const { zones } = await until('the subdomain', async () => {
      const found = await cli.ok('name', 'show', 'shop.edited');
      return found.zones.length === 1 && found;
    });
    assert.deepEqual([zones[0].zone, zones[0].owner, zones[0].records], ['shop.edited.cairn', (await devAccount('Bob')).address, []]);
    await cli.ok('name', 'zone', 'edited', network.file('empty.zone', ''), '--empty', ...AS_ALICE);
    await cli.ok('name', 'release', 'edited', ...AS_ALICE);
  });

  test('whatever is registered, other servers load the exported zone', async () => {
    await cli.ok('name', 'register', 'hostile', '--a', '192.0.2.80', '--record', '@ HTTPS 1 . key7', '--record', '_x A 192.0.2.81',
      '--record', 'mx MX 10 _m.example.', '--record', 'd NS _ns.example.', ...AS_ALICE);
    const file = join(network.dir, 'hostile.zone');
    const exported = await until('the name', async () => {
      const found = await cli.ok('gateway', 'export-zone', file);
      return found.left_out > 0 && found;
    });
    assert.equal(exported.left_out, 4);
    for (const [program, ...args] of [['nsd-checkzone', 'cairn', file], ['named-checkzone', '-i', 'local', '-k', 'fail', 'cairn', file]]) {
      const { code, stdout, stderr } = await run(program, args);
      assert.equal(code, 0, `${program}: ${stdout}${stderr}`);
    }
    const any = join(network.dir, 'any.zone');
    assert.equal((await cli.ok('gateway', 'export-zone', '--any-host-name', any)).left_out, 1);
    await cli.ok('name', 'release', 'hostile', ...AS_ALICE);
  });

  test('what is wrong is refused before anything is paid', async () => {
    for (const [args, code] of [
      [['register', '-blog'], EXIT.usage], [['register', 'a..b'], EXIT.usage], [['register', 'www.blog'], EXIT.usage],
      [['register', 'fresh', '--record', '@ A 192.0.2'], EXIT.usage], [['register', 'fresh', '--record', '@ CNAME a.example.'], EXIT.usage],
      [['register', 'wanted'], EXIT.refused], [['register', 'fresh', '--max-price', '0.001'], EXIT.refused],
      [['show', 'nobody-has-this'], EXIT.refused], [['set', 'wanted', 'A', '1.2.3.4', '--ttl', '5'], EXIT.usage],
      [['set', 'wanted', 'NONSENSE', 'x'], EXIT.usage], [['price', 'xn--0'], EXIT.usage], [['register', 'xn--zzzzzzzz'], EXIT.usage],
      [['price', 'blog.eth'], EXIT.usage], [['set', 'wanted', 'MX', '10', 'mail.example.'], EXIT.usage], [['clear', 'wanted', 'MX'], EXIT.refused],
    ]) {
      const { code: found, stderr } = await cli.run('name', ...args, ...AS_ALICE);
      assert.equal(found, code, `${args.join(' ')}: ${stderr}`);
      assert.ok(JSON.parse(stderr).error.message, args.join(' '));
    }
  });

  test('a killed gateway comes back with the same key; without a node its answers end', async () => {
    const anchor = await cli.ok('gateway', 'trust-anchor', '--data', gateway.data);
    // A hangup reads the certificate again, and ends nothing.
    process.kill(gateway.process.pid, 'SIGHUP');
    await until('the answer after a hangup', async () => (await gateway.answer('wanted.cairn', 'A'))[0] === '192.0.2.30');
    await gateway.process.kill('SIGKILL');
    gateway.args.push('--stale-after', '12', '--filter-private');
    await gateway.up();
    assert.deepEqual(await cli.ok('gateway', 'trust-anchor', '--data', gateway.data), anchor);
    await until('the answer', async () => (await gateway.answer('wanted.cairn', 'A'))[0] === '192.0.2.30');
    assert.match(await gateway.metric('cairn_dns'), /cairn_dns/);
    const exported = await cli.ok('gateway', 'export-zone', join(network.dir, 'cairn.zone'));
    assert.equal(exported.names, 2);
    await node.kill('SIGKILL');
    await until('failure', async () => await gateway.status('wanted.cairn', 'A') === 'SERVFAIL', { everyMs: 1000 });
    await node.restart();
    await until('the answer', async () => (await gateway.answer('wanted.cairn', 'A'))[0] === '192.0.2.30');
    assert.deepEqual(await gateway.process.stop(), { code: 0, signal: null });
  });
});

describe('names on a network whose finality waits', { timeout: seconds(400) }, () => {
  test('a change that is not final is not answered', async () => {
    const network = await Network.local();
    let gateway;
    try {
      const [alice, , charlie] = network.nodes;
      await alice.waitFinalized(2);
      const cli = new Cli({ dir: network.dir, url: alice.url });
      gateway = await Gateway.start(network, cli);
      await cli.ok('name', 'register', 'steady', '--a', '192.0.2.50', ...AS_ALICE);
      await until('the answer', async () => (await gateway.answer('steady.cairn', 'A'))[0] === '192.0.2.50');
      await charlie.kill('SIGKILL');
      // What was under way when it died may still be finalized; then finality stands.
      await alice.waitBest(await alice.bestNumber() + 3);
      const api = await connect(alice.url);
      const from = await alice.bestNumber();
      await cli.ok('name', 'set', 'steady', 'A', '192.0.2.51', '--no-wait', ...AS_ALICE);
      await waitEvent(api, 'names', 'ZoneChanged', { from });
      await alice.waitBest(await alice.bestNumber() + 3);
      assert.deepEqual(await gateway.answer('steady.cairn', 'A'), ['192.0.2.50'], 'the change is in a block, and not final');
      await charlie.restart();
      await until('the change', async () => (await gateway.answer('steady.cairn', 'A'))[0] === '192.0.2.51');
      await api.disconnect();
    } finally {
      await gateway?.process.kill();
      await network.close();
    }
  });
});

describe('names whose years are a minute and a half', { timeout: seconds(600) }, () => {
  test('in grace only the owner renews; after it, whoever pays the premium', async () => {
    // A year of 26 blocks, grace of 2, a premium that halves every block.
    const network = await chain(400_000);
    let gateway;
    let api;
    try {
      const [node] = network.nodes;
      await node.waitFinalized(2);
      api = await connect(node.url);
      const cli = new Cli({ dir: network.dir, url: node.url });
      gateway = await Gateway.start(network, cli);
      const { expires_at_block: expires } = await cli.ok('name', 'register', 'ageing', '--a', '192.0.2.60', ...AS_ALICE);
      const bob = await devAccount('Bob');
      // The sniper: sends a renewal and a registration in every block around the end, and gets neither.
      await node.waitBest(expires - 1);
      const failures = [];
      for (let i = 0; i < 2; i++) {
        await submit(api, bob, api.tx.names.renew('ageing', 1, 1_000_000n * CRN), { until: 'inBlock' })
          .then(() => failures.push('renewed'), (error) => failures.push(error.message));
      }
      assert.ok(failures.some((message) => message.includes('InGrace')), failures.join('; '));
      await node.waitBest(expires + 4);
      const { price } = await cli.ok('name', 'price', 'ageing');
      assert.ok(BigInt(price.units) > 5n * CRN, 'there is a premium');
      await until('no answer', async () => await gateway.status('ageing.cairn', 'A') === 'NXDOMAIN');
      await node.waitBest(expires + 2 + 15);
      assert.equal(BigInt((await cli.ok('name', 'price', 'ageing')).price.units), 5n * CRN);
      await cli.ok('name', 'register', 'ageing', '--a', '192.0.2.61', ...AS_BOB);
      await until('the new answer', async () => (await gateway.answer('ageing.cairn', 'A'))[0] === '192.0.2.61');
      assert.equal((await cli.ok('name', 'show', 'ageing')).owner, bob.address);
    } finally {
      await api?.disconnect();
      await gateway?.process.kill();
      await network.close();
    }
  });
});
