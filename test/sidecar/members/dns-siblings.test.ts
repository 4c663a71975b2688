import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DnsSiblings } from '../../../sidecar/members/dns-siblings.ts';
import type { Member } from '../../../sidecar/members/member.ts';
import { type NameResolver, serverResolver, systemResolver } from '../../../sidecar/members/resolver.ts';
import { type DnsName, parseSiblingName } from '../../../sidecar/members/sibling-names.ts';
import { memoryLog } from '../../support/app.ts';
import { startDns } from '../../support/dns.ts';
import { turnedClock } from '../../support/turned-clock.ts';

const test = suite('sidecar/members/dns-siblings');

const SERVICE = 'dns+agents.test:19145';

/** Siblings by these names, found again whenever the clock is turned by ten seconds. */
async function find(resolver: NameResolver, ...entries: string[]) {
  const clock = turnedClock();
  const { log, lines } = memoryLog();
  const ended = new AbortController();
  let members: readonly Member[] = [];
  const siblings = new DnsSiblings({
    names: entries.map((entry) => parseSiblingName(entry, 'http:') as DnsName),
    resolver,
    scheme: 'http:',
    zone: 'here',
    found: (found) => {
      members = found;
    },
    pace: clock.pace,
    log,
  });
  const running = siblings.run(ended.signal);
  await clock.asleep(1);
  return {
    lines,
    turn: clock.turn,
    urls: () => members.map(({ url }) => url).sort(),
    members: () => members,
    async [Symbol.asyncDispose]() {
      ended.abort();
      await running;
    },
  };
}

test('finds all addresses of a name, of both families, each called by its URL in the zone of whoever asks', async () => {
  await using dns = await startDns();
  dns.addresses['agents.test'] = ['10.0.0.1', '10.0.0.2', 'fd00::1'];
  await using found = await find(serverResolver(dns.address), SERVICE);
  assert.equal(found.urls(), ['http://10.0.0.1:19145', 'http://10.0.0.2:19145', 'http://[fd00::1]:19145']);
  assert.equal(
    found.members().map(({ id, zone, weight }) => ({ id, zone, weight })),
    found.members().map(({ url }) => ({ id: url, zone: 'here', weight: 1 })),
  );
});

test('finds the hosts and ports of SRV records', async () => {
  await using dns = await startDns();
  dns.services['_p2p._tcp.agents.test'] = [
    { host: 'a.test', port: 1001 },
    { host: 'b.test', port: 1002 },
  ];
  dns.addresses['a.test'] = ['10.0.0.1'];
  dns.addresses['b.test'] = ['10.0.0.2'];
  await using found = await find(serverResolver(dns.address), 'dnssrv+_p2p._tcp.agents.test');
  assert.equal(found.urls(), ['http://10.0.0.1:1001', 'http://10.0.0.2:1002']);
});

test('finds a newcomer at the next look, within twelve seconds', async () => {
  await using dns = await startDns();
  dns.addresses['agents.test'] = ['10.0.0.1'];
  await using found = await find(serverResolver(dns.address), SERVICE);
  dns.addresses['agents.test'] = ['10.0.0.1', '10.0.0.2'];
  await found.turn(12_000);
  assert.equal(found.urls(), ['http://10.0.0.1:19145', 'http://10.0.0.2:19145']);
});

test('forgets who was not seen for a minute, not sooner: a server may answer with another part each time', async () => {
  await using dns = await startDns();
  dns.addresses['agents.test'] = ['10.0.0.1', '10.0.0.2'];
  await using found = await find(serverResolver(dns.address), SERVICE);
  for (const part of ['10.0.0.1', '10.0.0.2', '10.0.0.1', '10.0.0.2', '10.0.0.1']) {
    dns.addresses['agents.test'] = [part];
    await found.turn(10_000);
    assert.is(found.urls().length, 2, part);
  }
  await found.turn(40_000);
  assert.is(found.urls().length, 2, 'for fifty seconds');
  await found.turn(10_000);
  assert.equal(found.urls(), ['http://10.0.0.1:19145']);
});

test('keeps all it knows for as long as DNS is away, says so once, and goes on when it is back', async () => {
  await using dns = await startDns();
  dns.addresses['agents.test'] = ['10.0.0.1', '10.0.0.2'];
  await using found = await find(serverResolver(dns.address), SERVICE);
  dns.isFailing = true;
  await found.turn(40_000);
  assert.is(found.urls().length, 2);
  dns.isFailing = false;
  dns.addresses = {};
  await found.turn(60_000);
  assert.is(found.urls().length, 2, 'nor does a name that is gone name nobody');
  const warnings = found.lines.filter(({ event }) => event === 'siblings_unresolved');
  assert.is(warnings.length, 1);
  assert.is(warnings[0]?.kept, 2);
  dns.addresses['agents.test'] = ['10.0.0.3'];
  await found.turn(10_000);
  assert.equal(found.urls(), ['http://10.0.0.3:19145'], 'the others were not seen for longer than a minute');
});

test('one name that fails does not keep it from the others', async () => {
  await using dns = await startDns();
  dns.addresses['agents.test'] = ['10.0.0.1'];
  await using found = await find(serverResolver(dns.address), SERVICE, 'dns+nobody.test:1');
  assert.equal(found.urls(), ['http://10.0.0.1:19145']);
});

test('without a server of its own it asks as any program on the host does, hosts file included', async () => {
  await using found = await find(systemResolver(), 'dns+localhost:7');
  assert.ok(found.urls().includes('http://127.0.0.1:7') || found.urls().includes('http://[::1]:7'));
});

test.run();
