import { X509Certificate } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeAuthority } from '../../../sidecar/tls/make-authority.ts';
import { opensslText } from '../../support/openssl.ts';
import { need } from '../../support/programs.ts';

const NAME = 'sidecar/tls/make-authority';
const test = need(suite(NAME), NAME, 'openssl');

test('makes an authority for servers alone, below which is no other, bound to its hosts', async () => {
  const { cert } = await makeAuthority(['registry.test', '10.0.0.1'], Date.now());
  const text = await opensslText(cert);
  assert.match(text, /Basic Constraints: critical\n\s+CA:TRUE, pathlen:0\n/);
  assert.match(text, /Key Usage: critical\n\s+Certificate Sign, CRL Sign\n/);
  assert.match(text, /Extended Key Usage: \n\s+TLS Web Server Authentication\n/);
  assert.match(
    text,
    /Name Constraints: critical\n\s+Permitted:\n\s+DNS:registry.test\n\s+IP:10.0.0.1\/255.255.255.255\n/,
  );
  assert.match(text, 'Subject Key Identifier');
  assert.match(text, 'ASN1 OID: prime256v1');
});

test('lives for five years, from an hour ago for clients that are behind', async () => {
  const nowMs = Date.UTC(2026, 5, 1, 12);
  const { cert } = await makeAuthority(['registry.test'], nowMs);
  const { validFrom, validTo } = new X509Certificate(cert);
  assert.is(Date.parse(validFrom), nowMs - 3_600_000);
  assert.is(Date.parse(validTo), nowMs + 5 * 365 * 86_400_000);
});

test('gives each a name, a serial number and a key of its own', async () => {
  const made = await Promise.all([1, 2].map(() => makeAuthority(['registry.test'], 0)));
  const [one, two] = made.map(({ cert }) => new X509Certificate(cert));
  assert.is.not(one?.subject, two?.subject);
  assert.is.not(one?.serialNumber, two?.serialNumber);
  assert.is.not(made[0]?.key, made[1]?.key);
});

test.run();
