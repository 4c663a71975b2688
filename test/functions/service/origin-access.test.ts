import type { LookupAddress } from 'node:dns';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OriginAccess } from '../../../functions/service/origin-access.ts';
import { rejects, throws } from '../../support/rejects.ts';

const test = suite('functions/service/origin-access');

const lookUp = (access: OriginAccess, url: string): Promise<LookupAddress[]> =>
  new Promise((resolve, reject) => {
    const origin = new URL(url);
    access.lookup(origin)(origin.hostname, { all: true }, (error, addresses) => {
      if (error) reject(error);
      else resolve(addresses as LookupAddress[]);
    });
  });

for (const [entry, url] of [
  ['https://registry.example:8443', 'https://registry.example:8443/v2/'],
  ['https://registry.example', 'https://registry.example:443/v2/'],
  ['http://registry.example', 'http://registry.example/v2/'],
  ['registry.example', 'https://registry.example/v2/'],
  ['registry.example', 'http://registry.example:5000/v2/'],
  ['Registry.Example', 'http://REGISTRY.example/v2/'],
  ['registry.example:5000', 'http://registry.example:5000/v2/'],
  ['*.example', 'https://a.b.example/v2/'],
  ['*', 'https://anything.test/'],
  ['preset:registries', 'https://registry-1.docker.io/v2/'],
  ['preset:registries', 'https://europe-docker.pkg.dev/v2/'],
  ['127.0.0.1', 'http://127.0.0.1:5000/'],
  ['127.0.0.1:5000', 'http://127.0.0.1:5000/'],
  ['http://10.1.2.3:80', 'http://10.1.2.3/'],
  ['::1', 'http://[::1]:5000/'],
  ['[::1]:5000', 'http://[::1]:5000/'],
  ['http://[fd00::1]:8080', 'http://[fd00::1]:8080/x'],
] as const) {
  test(`lets ${url} be read when ${entry} is listed`, () => {
    assert.is(new OriginAccess([entry]).checkListed(new URL(url)), undefined);
  });
}

for (const [entries, url] of [
  [[], 'https://registry.example/'],
  [['https://registry.example'], 'http://registry.example/'],
  [['https://registry.example'], 'https://registry.example:8443/'],
  [['registry.example:5000'], 'http://registry.example:5001/'],
  [['registry.example'], 'https://evilregistry.example/'],
  [['registry.example'], 'https://registry.example.evil.test/'],
  [['*.example'], 'https://example/'],
  [['*.example'], 'https://notexample/'],
  [['*.example'], 'https://a.example.evil.test/'],
  [['preset:registries'], 'https://docker.io.evil.test/'],
  [['127.0.0.1:5000'], 'http://127.0.0.1:22/'],
] as const) {
  test(`refuses ${url} when ${entries.join(' and ') || 'nothing'} is listed, and names the setting`, () => {
    const error = throws('ORIGIN_NOT_ALLOWED', () => new OriginAccess(entries).checkListed(new URL(url)));
    assert.is(error.status, 403);
    assert.match(error.message, 'Origins');
  });
}

const NOT_PUBLIC: Readonly<Record<string, string>> = {
  loopback: '127.0.0.1',
  'loopback, any of it': '127.9.9.9',
  'loopback in decimal': '2130706433',
  'loopback in hex': '0x7f000001',
  'loopback in octal': '0177.0.0.1',
  'loopback in short': '127.1',
  unspecified: '0.0.0.0',
  'this network': '0.1.2.3',
  'private A': '10.0.0.1',
  'private B': '172.16.0.1',
  'private B, its end': '172.31.255.255',
  'private C': '192.168.1.1',
  'carrier-grade NAT': '100.64.0.1',
  'link-local': '169.254.1.1',
  'metadata of AWS, GCP, Azure': '169.254.169.254',
  'metadata of Alibaba': '100.100.100.200',
  'metadata of Oracle': '192.0.0.192',
  'host agent of Azure mapped': '[::ffff:168.63.129.16]',
  'IETF protocols': '192.0.0.1',
  documentation: '192.0.2.1',
  benchmarks: '198.18.0.1',
  multicast: '224.0.0.1',
  reserved: '240.0.0.1',
  broadcast: '255.255.255.255',
  'IPv6 loopback': '[::1]',
  'IPv6 unspecified': '[::]',
  'IPv6 link-local': '[fe80::1]',
  'IPv6 unique local': '[fc00::1]',
  'IPv6 metadata of AWS': '[fd00:ec2::254]',
  'IPv6 site-local': '[fec0::1]',
  'IPv6 multicast': '[ff02::1]',
  'IPv6 documentation': '[2001:db8::1]',
  'IPv4 loopback mapped': '[::ffff:127.0.0.1]',
  'IPv4 loopback mapped in hex': '[::ffff:7f00:1]',
  'IPv4 private mapped': '[::ffff:10.0.0.1]',
  'IPv4 metadata mapped': '[::ffff:169.254.169.254]',
  'IPv4 loopback in the compatible form': '[::127.0.0.1]',
  'IPv4 private in the compatible form': '[::a00:1]',
  'IPv4 loopback translated': '[::ffff:0:127.0.0.1]',
  'IPv4 loopback by NAT64': '[64:ff9b::7f00:1]',
  'IPv4 private by local NAT64': '[64:ff9b:1::a00:1]',
  'IPv4 loopback by 6to4': '[2002:7f00:1::]',
  Teredo: '[2001:0:7f00:1::]',
};

for (const [kind, host] of Object.entries(NOT_PUBLIC)) {
  test(`refuses ${host} (${kind}), also when a wildcard opens every name`, () => {
    const url = new URL(`http://${host}:8080/x`);
    for (const entries of [['*'], ['*.example', 'https://other.example'], []]) {
      throws('ORIGIN_NOT_ALLOWED', () => new OriginAccess(entries).checkAddress(url));
    }
    throws('ORIGIN_NOT_ALLOWED', () => new OriginAccess(['*']).checkListed(url));
  });
}

for (const host of [
  '8.8.8.8',
  '172.32.0.1',
  '100.128.0.1',
  '[2606:4700::1111]',
  '[::ffff:8.8.8.8]',
  'a.test',
]) {
  test(`lets ${host} be a redirect's target`, () => {
    assert.is(new OriginAccess([]).checkAddress(new URL(`https://${host}/`)), undefined);
  });
}

test('opens a private address to the listed origin alone, not to what else listens on its host', () => {
  for (const entry of ['http://127.0.0.1:5000', '127.0.0.1:5000']) {
    const access = new OriginAccess([entry]);
    assert.is(access.checkAddress(new URL('http://127.0.0.1:5000/x')), undefined);
    for (const other of ['http://127.0.0.1:22/', 'http://127.0.0.1/', 'http://127.0.0.2:5000/']) {
      throws('ORIGIN_NOT_ALLOWED', () => access.checkAddress(new URL(other)));
    }
  }
});

test('refuses at connect a name that resolves to loopback, whatever wildcard lets it be asked', async () => {
  for (const entries of [
    ['*'],
    [],
    ['http://127.0.0.1:5000'],
    ['localhost:22'],
    ['https://localhost:5000'],
  ]) {
    const error = await rejects(
      'ORIGIN_NOT_ALLOWED',
      lookUp(new OriginAccess(entries), 'http://localhost:1'),
    );
    assert.match(error.message, 'Origins');
  }
});

for (const entry of ['localhost', 'http://localhost:5000', 'LOCALHOST', 'localhost:5000']) {
  test(`connects to a name that resolves to loopback when ${entry} is listed`, async () => {
    const access = new OriginAccess([entry]);
    const addresses = await lookUp(access, 'http://localhost:5000');
    assert.ok(addresses.length > 0);
    const one = await new Promise((resolve, reject) => {
      access.lookup(new URL('http://localhost:5000'))('localhost', { family: 4 }, (error, address) =>
        error ? reject(error) : resolve(address),
      );
    });
    assert.is(one, '127.0.0.1');
  });
}

// Broke: who owns a listed name had it resolve to where a root finds its machine's credentials.
for (const address of [
  '169.254.169.254',
  'fe80::1',
  'fd00:ec2::254',
  '168.63.129.16',
  '::ffff:169.254.169.254',
]) {
  test(`connects to ${address} by no name, listed or not`, async () => {
    for (const entries of [['named.test'], ['*'], ['http://named.test']]) {
      const access = new OriginAccess(entries);
      const looking = new Promise((resolve, reject) => {
        // DNS answers an address with itself: here it stands for what the name resolves to.
        access.lookup(new URL('http://named.test'))(address, { all: true }, (error, found) =>
          error ? reject(error) : resolve(found),
        );
      });
      await rejects('ORIGIN_NOT_ALLOWED', looking);
    }
  });
}

// Broke: an entry for one port, or one scheme, opened all of a private host.
for (const [entry, url] of [
  ['http://localhost:5000', 'http://localhost:22'],
  ['http://localhost:5000', 'https://localhost:5000'],
  ['localhost:5000', 'http://localhost:5001'],
  ['https://localhost', 'http://localhost'],
] as const) {
  test(`connects to nothing private at ${url} when ${entry} is listed`, async () => {
    await rejects('ORIGIN_NOT_ALLOWED', lookUp(new OriginAccess([entry]), url));
    const address = (text: string) => text.replace('localhost', '127.0.0.1');
    const access = new OriginAccess([address(entry)]);
    throws('ORIGIN_NOT_ALLOWED', () => access.checkAddress(new URL(address(url))));
    assert.is(access.opens(new URL(address(url))), false);
  });
}

test('tells of a name that does not resolve as what it is', async () => {
  const error = await lookUp(new OriginAccess(['*']), 'http://no-such-host.invalid').then(
    () => undefined,
    (cause: NodeJS.ErrnoException) => cause,
  );
  assert.match(error?.code ?? '', /^(?:ENOTFOUND|EAI_AGAIN)$/);
});

test.run();
