import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Authority } from '../../../sidecar/tls/authority.ts';
import { makeAuthority } from '../../../sidecar/tls/make-authority.ts';
import { eachCase } from '../../support/each-case.ts';
import { opensslVerdict } from '../../support/openssl.ts';
import { need } from '../../support/programs.ts';

const NAME = 'sidecar/tls/name-constraints';
const test = need(suite(NAME), NAME, 'openssl');

const VIOLATION = /^(?:permitted|excluded) subtree violation$/;

/** For each host, whether it is within; openssl must see it as we do. */
async function check(names: readonly string[], hosts: Readonly<Record<string, boolean>>): Promise<void> {
  const made = await makeAuthority(names, Date.now());
  const authority = await Authority.of(made.cert, made.key);
  await eachCase(hosts, async (isWithin, host) => {
    assert.is(authority.permits(host), isWithin, 'as we see it');
    const { cert } = await authority.issue(host, Date.now());
    assert.match(await opensslVerdict(made.cert, cert), isWithin ? /^OK$/ : VIOLATION);
  });
}

test('openssl accepts certificates for hosts within and those below them, and refuses all others', async () => {
  await check(['registry.test', 'a.b.example'], {
    'registry.test': true,
    'cdn.registry.test': true,
    'a.b.example': true,
    'b.example': false,
    'xregistry.test': false,
    'registry.test.evil.example': false,
    test: false,
    '10.0.0.1': false,
    '::1': false,
  });
});

test('an address stands for itself, and for no host', async () => {
  await check(['10.0.0.1', 'fd00::1'], {
    '10.0.0.1': true,
    'fd00::1': true,
    '10.0.0.2': false,
    'fd00::2': false,
    '::ffff:10.0.0.1': false,
    'registry.test': false,
  });
});

test('addresses of the kind that is not named are refused too', async () => {
  await check(['registry.test', '10.0.0.1'], { 'registry.test': true, '10.0.0.1': true, '::1': false });
});

test.run();
