import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { audienceOf, formatSigned, formatToken } from '../../../functions/protocol/token.ts';
import { ClusterKeys } from '../../../functions/service/cluster-keys.ts';
import { isOfThisHost, type NodeGateParts } from '../../../functions/service/node-gate.ts';
import { NodeTokens } from '../../../functions/service/node-tokens.ts';
import { startP2P } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import { startOrigin } from '../../support/origin.ts';
import { CHUNK } from '../../support/reader.ts';
import { NEW_SECRET, OLD_SECRET } from '../../support/secrets.ts';

const test = suite('functions/service/node-gate');

const BYTES = blobOf(CHUNK + 5, 'gate');
const SELF = 'http://10.0.0.8:19145';
const PEER = 'http://10.0.0.7:19145';
const NOW_MS = Date.now();

const keysOf = (...secrets: string[]) => ClusterKeys.of(secrets) as ClusterKeys;

const tokensOf = (keys: ClusterKeys, self = PEER, skewMs = 0) =>
  new NodeTokens({ keys, self, now: () => NOW_MS + skewMs });

/** Behind a Secret, and asked from elsewhere unless told otherwise. */
const guarded = (isHere: NodeGateParts['isOfThisHost'] = () => false) => ({
  self: SELF,
  gate: { tokens: tokensOf(keysOf(NEW_SECRET), SELF), audience: audienceOf(SELF), isOfThisHost: isHere },
});

const RIGHT = tokensOf(keysOf(NEW_SECRET)).issue(audienceOf(SELF), 'read');

test('serves a node that shows a token, and tells it for how long what it asked with may read', async () => {
  await using origin = await startOrigin();
  await using node = await startP2P(guarded());
  const url = node.of(origin.put('/blob', BYTES));
  for (let time = 0; time < 2; time += 1) {
    const answer = await get(url, { headers: { 'x-p2p-token': RIGHT } });
    assert.is(answer.status, 200);
    assert.is(answer.digest, sha256(BYTES));
    assert.match(answer.headers['x-p2p-access'] as string, /^max-age=\d+; public=bare/);
  }
  assert.is(origin.hits.length > 0, true);
  for (const { headers } of origin.hits) assert.is(headers['x-p2p-token'], undefined);
});

const sealed = (text: string, keys = keysOf(NEW_SECRET)) => formatSigned(text, keys.sign('token', text));
const EXPIRES = Math.floor(NOW_MS / 1000) + 60;
const TO_SELF = { issuer: PEER, audience: audienceOf(SELF), use: 'read', expires: EXPIRES } as const;

// What a hostile node can show, and what it is told.
const HOSTILE: readonly [name: string, token: string, why: string][] = [
  ['made without the secret', tokensOf(keysOf(OLD_SECRET)).issue(audienceOf(SELF), 'read'), 'not signed'],
  ['meant for another node', tokensOf(keysOf(NEW_SECRET)).issue('10.0.0.9:19145', 'read'), '10.0.0.9:19145'],
  ['meant for writing', tokensOf(keysOf(NEW_SECRET)).issue(audienceOf(SELF), 'write'), 'to write'],
  ['that has ended', tokensOf(keysOf(NEW_SECRET), PEER, -400_000).issue(audienceOf(SELF), 'read'), 'clocks'],
  ['of the future', tokensOf(keysOf(NEW_SECRET), PEER, 400_000).issue(audienceOf(SELF), 'read'), 'clocks'],
  ['that would never end', sealed(formatToken({ ...TO_SELF, expires: 999_999_999_999 })), 'clocks'],
  ['with another issuer', RIGHT.replace('10.0.0.7', '10.0.0.6'), 'not signed'],
  ['with a longer life', RIGHT.replace(/exp=\d+/, `exp=${EXPIRES + 200}`), 'not signed'],
  ['with half a MAC', RIGHT.slice(0, -22), 'not signed'],
  ['without a MAC', formatToken(TO_SELF), 'not signed'],
  [
    'with the MAC of something else',
    `${formatToken(TO_SELF)}; mac=${keysOf(NEW_SECRET).sign('chunk', formatToken(TO_SELF))}`,
    'not signed',
  ],
  ['that says two things', sealed(`${formatToken(TO_SELF)}; aud=root`), 'not signed'],
  ['shown twice in one', `${RIGHT}, ${RIGHT}`, 'not signed'],
  ['that is empty', '', 'not signed'],
  ['of eight kibibytes', `${'A'.repeat(8 * 1024)}; mac=${'A'.repeat(43)}`, 'not signed'],
];

test('refuses every token that proves nothing, even from this host, and asks no origin', async () => {
  await using origin = await startOrigin();
  for (const isHere of [() => false, isOfThisHost]) {
    await using node = await startP2P(guarded(isHere));
    for (const [name, token, why] of HOSTILE) {
      const answer = await get(node.of(origin.put('/blob', BYTES)), { headers: { 'x-p2p-token': token } });
      assert.is(answer.status, 401, name);
      assert.is(answer.headers['x-p2p-error'], 'TOKEN_REFUSED', name);
      assert.is(answer.headers['www-authenticate'], 'P2P-Token', name);
      assert.match(answer.text, why, name);
    }
  }
  assert.is(origin.hits.length, 0);
});

test('refuses whoever comes from elsewhere without a token, whatever they call themselves', async () => {
  await using origin = await startOrigin();
  await using node = await startP2P(guarded());
  const url = node.of(origin.put('/blob', BYTES));
  for (const headers of [
    {},
    { 'x-p2p-agent': PEER },
    { 'x-p2p-agent': SELF },
    { 'x-forwarded-for': '127.0.0.1' },
  ]) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await get(url, { headers: headers as Record<string, string>, method });
      assert.is(answer.status, 401);
      assert.is(answer.headers['x-p2p-error'], 'TOKEN_REFUSED');
    }
  }
  // Before it looks at what is asked for.
  assert.is((await get(node.url, { target: '/wrong-key/http://a.test/' })).status, 401);
  assert.is(origin.hits.length, 0);
  assert.is((await get(`${node.url}/healthz`)).status, 200);
});

test('serves clients of its own host without a token, and believes none of them to be a node', async () => {
  await using origin = await startOrigin();
  await using node = await startP2P(guarded(isOfThisHost));
  const url = node.of(origin.put('/blob', BYTES));
  for (const headers of [{}, { 'x-p2p-agent': PEER }] as Record<string, string>[]) {
    const answer = await get(url, { headers });
    assert.is(answer.status, 200);
    assert.is(answer.headers['x-p2p-access'], undefined);
  }
  const before = origin.hits.length;
  // What a node may ask for, so that it gets the origin's own word.
  await get(url, { headers: { 'x-p2p-agent': PEER, 'cache-control': 'no-store' } });
  assert.is(origin.hits.length, before);
});

test('takes what is forwarded to it on its own host for what comes from elsewhere', async () => {
  await using origin = await startOrigin();
  await using node = await startP2P(guarded(isOfThisHost));
  const url = node.of(origin.put('/blob', BYTES));
  for (const name of ['x-forwarded-for', 'forwarded']) {
    assert.is((await get(url, { headers: { [name]: '127.0.0.1' } })).status, 401);
    assert.is((await get(url, { headers: { [name]: '10.0.0.9', 'x-p2p-token': RIGHT } })).status, 200);
  }
});

test('lets anyone in where there is no secret, and takes them for the node they say they are', async () => {
  await using origin = await startOrigin();
  await using node = await startP2P({ gate: { isOfThisHost: () => false } });
  const url = node.of(origin.put('/blob', BYTES));
  assert.is((await get(url)).headers['x-p2p-access'], undefined);
  const answer = await get(url, { headers: { 'x-p2p-agent': PEER } });
  assert.match(answer.headers['x-p2p-access'] as string, /^max-age=/);
});

test('tells connections of this host by their addresses', () => {
  const of = (remoteAddress: string | undefined, localAddress = '10.0.0.8') =>
    isOfThisHost({ remoteAddress, localAddress } as Parameters<typeof isOfThisHost>[0]);
  for (const here of ['127.0.0.1', '127.3.4.5', '::1', '::ffff:127.0.0.1', '10.0.0.8']) {
    assert.is(of(here), true, here);
  }
  for (const elsewhere of ['10.0.0.9', '::ffff:10.0.0.9', '172.17.0.2', 'fe80::1', undefined]) {
    assert.is(of(elsewhere), false, elsewhere);
  }
  assert.is(of('::ffff:10.0.0.8', '::ffff:10.0.0.8'), true);
});

test.run();
