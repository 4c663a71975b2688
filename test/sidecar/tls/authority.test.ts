import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Authority } from '../../../sidecar/tls/authority.ts';
import { makeAuthority } from '../../../sidecar/tls/make-authority.ts';
import { eachCase } from '../../support/each-case.ts';
import { opensslText, opensslVerdict } from '../../support/openssl.ts';
import { need } from '../../support/programs.ts';
import { tempDir } from '../../support/temp-dir.ts';

const NAME = 'sidecar/tls/authority';
const test = need(suite(NAME), NAME, 'openssl');

const DAY_MS = 86_400_000;

/** An authority that openssl makes, as a company would give one. */
async function opensslAuthority(...key: string[]) {
  await using dir = await tempDir();
  const at = (name: string) => join(dir.path, name);
  const files = ['-keyout', at('ca.key'), '-out', at('ca.crt')];
  const subject = ['-subj', '/C=DE/O=Example/CN=Example CA', '-days', '2'];
  await promisify(execFile)('openssl', ['req', '-x509', '-nodes', '-newkey', ...key, ...files, ...subject]);
  return { cert: await readFile(at('ca.crt'), 'utf8'), key: await readFile(at('ca.key'), 'utf8') };
}

test('certifies one host, for a week, with a key of its own each time', async () => {
  const nowMs = Date.now();
  const made = await makeAuthority(['registry.test'], nowMs);
  const authority = await Authority.of(made.cert, made.key);
  const [one, two] = await Promise.all([1, 2].map(() => authority.issue('registry.test', nowMs)));
  assert.is(await opensslVerdict(made.cert, one?.cert ?? ''), 'OK');
  const text = await opensslText(one?.cert ?? '');
  assert.match(text, 'DNS:registry.test\n');
  assert.match(text, 'ASN1 OID: prime256v1');
  assert.match(text, /Extended Key Usage: \n\s+TLS Web Server Authentication\n/);
  assert.is(one?.notAfterMs, nowMs + 7 * DAY_MS);
  assert.is.not(one?.key, two?.key);
  const serials = [one, two].map((leaf) => new X509Certificate(leaf?.cert ?? '').serialNumber);
  assert.is.not(serials[0], serials[1]);
});

test('outlives no authority', async () => {
  const madeMs = Date.now();
  const made = await makeAuthority(['registry.test'], madeMs);
  const authority = await Authority.of(made.cert, made.key);
  const leaf = await authority.issue('registry.test', authority.notAfterMs - DAY_MS);
  assert.is(leaf.notAfterMs, authority.notAfterMs);
});

for (const key of [
  ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  ['rsa:2048'],
]) {
  test(`signs with an authority of another's making and a key of ${key.at(-1)}`, async () => {
    const given = await opensslAuthority(...key);
    const authority = await Authority.of(given.cert, given.key);
    assert.ok(authority.permits('anything.test'));
    const { cert } = await authority.issue('registry.test', Date.now());
    assert.is(await opensslVerdict(given.cert, cert), 'OK');
    // Go compares names byte by byte, where OpenSSL forgives how they are encoded.
    const [leaf, issuer] = [cert, given.cert].map((pem) => new X509Certificate(pem).raw.toString('hex'));
    const name = Buffer.from('Example CA').toString('hex');
    const around = (der = '') => der.slice(der.indexOf(name) - 4, der.indexOf(name) + name.length);
    assert.is(around(leaf), around(issuer));
  });
}

test('shows clients what lies between it and its root, and no root', async () => {
  const [root, middle] = await Promise.all([
    makeAuthority(['a.test'], Date.now()),
    opensslAuthority('rsa:2048'),
  ]);
  const alone = await Authority.of(root.cert, root.key);
  assert.is((await alone.issue('a.test', Date.now())).cert.match(/BEGIN/g)?.length, 1);
  const issuer = await Authority.of(middle.cert, middle.key);
  const between = await issuer.issue('between.test', Date.now());
  const chained = await Authority.of(`${root.cert}${between.cert}`, root.key);
  assert.is((await chained.issue('a.test', Date.now())).cert.match(/BEGIN/g)?.length, 2);
});

test('refuses what is no authority, or not its key', async () => {
  const ours = await makeAuthority(['a.test'], Date.now());
  const other = await makeAuthority(['a.test'], Date.now());
  const leaf = await (await Authority.of(ours.cert, ours.key)).issue('a.test', Date.now());
  const ed25519 = await opensslAuthority('ed25519');
  const encrypted = ours.key
    .replace('PRIVATE', 'ENCRYPTED PRIVATE')
    .replace('PRIVATE KEY-----\n', 'PRIVATE KEY-----\nAAAA');
  await eachCase<readonly [string, string, RegExp]>(
    {
      'another key': [ours.cert, other.key, /not that of the certificate/],
      'a leaf': [leaf.cert, leaf.key, /not one of an authority/],
      'no certificate': ['hello', ours.key, /PEM/],
      'no key': [ours.cert, 'hello', /./],
      'key and certificate exchanged': [ours.key, ours.cert, /./],
      'an encrypted key': [ours.cert, encrypted, /./],
      'a key of another kind': [ed25519.cert, ed25519.key, /ed25519 is not supported/],
    },
    async ([cert, key, wanted]) => {
      const error = await Authority.of(cert, key).then(
        () => 'it was taken',
        (error: Error) => error.message,
      );
      assert.match(error, wanted);
    },
  );
});

test.run();
