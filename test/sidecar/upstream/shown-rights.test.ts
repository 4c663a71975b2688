import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ShownRight } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import type { Anonymity } from '../../../functions/protocol/grant.ts';
import { ClusterKeys } from '../../../functions/service/cluster-keys.ts';
import { GrantSignatures } from '../../../functions/service/grant-signature.ts';
import { ShownRights } from '../../../sidecar/upstream/shown-rights.ts';
import { jwt } from '../../support/private-origin.ts';
import { NEW_SECRET } from '../../support/secrets.ts';

const test = suite('sidecar/upstream/shown-rights');

const NOW_MS = 1_763_840_000_000;
const SELF = 'http://10.0.0.7:19145';
const SIBLING = '10.0.0.8:19145';
const RIGHT = 'https://registry.test/v2/app';
const ADDRESS = parseAddress(`${RIGHT}/blobs/sha256:${'ab'.repeat(32)}`);
const ALICE = 'Bearer alice';
const NOBODY = `Bearer ${jwt({ sub: '' })}`;

const grants = new GrantSignatures(ClusterKeys.of([NEW_SECRET]) as ClusterKeys, () => NOW_MS);
const rights = new ShownRights(grants, SELF);
const right = (publicBy?: Anonymity): ShownRight => ({
  right: RIGHT,
  grant: { untilMs: NOW_MS + 60_000, publicBy },
});
const asked = (headers: Record<string, string>, shown?: ShownRight, address = ADDRESS, aheadMs = 0) =>
  rights.inPlaceOfCredential(address, { range: 'bytes=0-1', ...headers }, shown, SIBLING, aheadMs);

test('shows a sibling the right in place of the credential, and asks for what it has alone', () => {
  const { url, headers } = asked({ authorization: ALICE }, right());
  assert.is(url, ADDRESS.url);
  assert.is(headers.authorization, undefined);
  assert.is(headers.range, 'bytes=0-1');
  assert.is(headers['cache-control'], 'only-if-cached');
  const shown = grants.verify(String(headers['x-p2p-access']), RIGHT, { issuer: SELF, audience: SIBLING });
  assert.is(shown?.untilMs, NOW_MS + 60_000);
});

test('shows a right that is of the time by the clock of whoever is asked, for as long as by its own', () => {
  const aheadMs = 3_600_000;
  const { headers } = asked({ authorization: ALICE }, right(), ADDRESS, aheadMs);
  const there = new GrantSignatures(ClusterKeys.of([NEW_SECRET]) as ClusterKeys, () => NOW_MS + aheadMs);
  const shown = there.verify(String(headers['x-p2p-access']), RIGHT, { issuer: SELF, audience: SIBLING });
  assert.is(shown?.untilMs, NOW_MS + aheadMs + 60_000);
});

test('has a sibling fetch what everyone may read, without whatever credential the client has', () => {
  for (const credential of [{}, { authorization: ALICE }]) {
    const { headers } = asked(credential as Record<string, string>, right('bare'));
    assert.is(headers.authorization, undefined);
    assert.is(headers['cache-control'], undefined);
    assert.ok(headers['x-p2p-access']);
  }
});

test('passes on a token that names nobody, for what everyone with one may read', () => {
  const { headers } = asked({ authorization: NOBODY }, right('token'));
  assert.is(headers.authorization, NOBODY);
  assert.is(headers['cache-control'], undefined);
  for (const [authorization, shown] of [
    [ALICE, right('token')],
    [NOBODY, right()],
    [NOBODY, undefined],
  ] as const) {
    const { headers: kept } = asked({ authorization }, shown);
    assert.is(kept.authorization, undefined);
    assert.is(kept['cache-control'], 'only-if-cached');
  }
});

test('leaves the signature of a URL behind', () => {
  const signed = parseAddress('https://bucket.test/a?version=1&X-Amz-Signature=secret&X-Amz-Date=1');
  for (const headers of [{}, { authorization: NOBODY }] as Record<string, string>[]) {
    const { url, headers: kept } = asked(headers, right('token'), signed);
    assert.is(url, 'https://bucket.test/a?version=1');
    assert.is(kept['cache-control'], 'only-if-cached');
    assert.is(kept.authorization, undefined);
  }
});

test('asks without more where nothing is known of a right', () => {
  assert.equal(asked({}).headers, { range: 'bytes=0-1' });
});

test.run();
