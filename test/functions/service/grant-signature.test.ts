import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Grant } from '../../../functions/protocol/grant.ts';
import { ClusterKeys } from '../../../functions/service/cluster-keys.ts';
import { GrantSignatures } from '../../../functions/service/grant-signature.ts';
import { NEW_SECRET, OLD_SECRET } from '../../support/secrets.ts';

const test = suite('functions/service/grant-signature');

const NOW_MS = 1_763_840_000_000;
const RIGHT = 'https://registry.test/v2/private/app';
const SHOWING = { issuer: 'http://10.0.0.7:19145', audience: '10.0.0.8:19145' };
const GRANT: Grant = { untilMs: NOW_MS + 120_000, publicBy: undefined };

const signer = (secret = NEW_SECRET, nowMs = NOW_MS) =>
  new GrantSignatures(ClusterKeys.of([secret]) as ClusterKeys, () => nowMs);

test('believes a right for as long as the node that shows it does, by its own clock', () => {
  const signed = signer().sign(GRANT, RIGHT, SHOWING);
  assert.match(signed, /^max-age=120; at=1763840000; mac=/);
  const later = NOW_MS + 100_000;
  assert.equal(signer(NEW_SECRET, later).verify(signed, RIGHT, SHOWING), {
    untilMs: later + 120_000,
    publicBy: undefined,
  });
  const forAll = signer().sign({ ...GRANT, publicBy: 'token' }, RIGHT, SHOWING);
  assert.is(signer().verify(forAll, RIGHT, SHOWING)?.publicBy, 'token');
});

test('takes a right for no other, and from nobody else to nobody else', () => {
  const signed = signer().sign(GRANT, RIGHT, SHOWING);
  const { issuer, audience } = SHOWING;
  assert.is(signer().verify(signed, `${RIGHT}2`, SHOWING), undefined);
  assert.is(signer().verify(signed, 'https://registry.test/v2/private', SHOWING), undefined);
  assert.is(signer().verify(signed, RIGHT, { issuer: 'http://10.0.0.6:19145', audience }), undefined);
  assert.is(signer().verify(signed, RIGHT, { issuer, audience: '10.0.0.9:19145' }), undefined);
});

test('believes none that was made long ago, or by a clock that is far off', () => {
  const signed = signer().sign({ untilMs: Number.POSITIVE_INFINITY, publicBy: 'bare' }, RIGHT, SHOWING);
  assert.match(signed, /^max-age=86400; /);
  for (const skewMs of [-301_000, 301_000]) {
    assert.is(signer(NEW_SECRET, NOW_MS + skewMs).verify(signed, RIGHT, SHOWING), undefined);
  }
});

test('believes none that is unsigned, cut, altered, or signed by another secret or for another purpose', () => {
  const signed = signer().sign(GRANT, RIGHT, SHOWING);
  const wrong = [
    '',
    'max-age=300',
    'max-age=300; public=bare',
    signed.replace('max-age=120', 'max-age=121'),
    signed.replace('max-age=120', 'max-age=120; public=bare'),
    signed.replace(/at=\d+/, 'at=1763840001'),
    signed.slice(0, -1),
    signed.slice(0, -22),
    `${signed}, ${signed}`,
    signed.padStart(2000),
    signer(OLD_SECRET).sign(GRANT, RIGHT, SHOWING),
  ];
  for (const text of wrong) assert.is(signer().verify(text, RIGHT, SHOWING), undefined, text);
});

test.run();
