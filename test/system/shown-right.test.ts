import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAddress } from '../../functions/protocol/address.ts';
import type { Grant } from '../../functions/protocol/grant.ts';
import { audienceOf } from '../../functions/protocol/token.ts';
import { ClusterKeys } from '../../functions/service/cluster-keys.ts';
import { GrantSignatures } from '../../functions/service/grant-signature.ts';
import { NodeTokens } from '../../functions/service/node-tokens.ts';
import { startP2P } from '../support/app.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { startPrivateOrigin } from '../support/private-origin.ts';
import { CHUNK, digestPath } from '../support/reader.ts';
import { NEW_SECRET, OLD_SECRET } from '../support/secrets.ts';

const test = suite('system/shown-right');

const BYTES = blobOf(CHUNK + 5, 'private');
const SELF = 'http://10.0.0.8:19145';
const PEER = 'http://10.0.0.7:19145';
const BETWEEN = { issuer: PEER, audience: audienceOf(SELF) };
const IN_AN_HOUR: Grant = { untilMs: Date.now() + 3_600_000, publicBy: undefined };

const keysOf = (secret = NEW_SECRET) => ClusterKeys.of([secret]) as ClusterKeys;
const grantsOf = (secret?: string, now = Date.now) => new GrantSignatures(keysOf(secret), now);
const tokenOf = (issuer = PEER) =>
  new NodeTokens({ keys: keysOf(), self: issuer, now: Date.now }).issue(audienceOf(SELF), 'read');

/** A node of the cluster that has a private blob, which alice has read there, and is asked by other nodes. */
async function holder() {
  const origin = await startPrivateOrigin({ alice: ['img'] });
  const node = await startP2P({
    self: SELF,
    gate: {
      tokens: new NodeTokens({ keys: keysOf(), self: SELF, now: Date.now }),
      grants: grantsOf(),
      audience: audienceOf(SELF),
    },
  });
  const originUrl = origin.put(digestPath(sha256(BYTES)), BYTES);
  const right = parseAddress(originUrl).scope;
  const ask = (headers: Record<string, string>) => get(node.of(originUrl), { headers });
  assert.is((await ask({ authorization: 'Bearer alice' })).status, 200);
  await node.kit.reader.settled();
  origin.forget();
  return {
    origin,
    right,
    ask,
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

test('gives private content to a sibling that shows the right of its client, and asks nobody about it', async () => {
  await using at = await holder();
  const shown = grantsOf().sign(IN_AN_HOUR, at.right, BETWEEN);
  const answer = await at.ask({ 'x-p2p-token': tokenOf(), 'x-p2p-access': shown });
  assert.is(answer.status, 200);
  assert.is(answer.digest, sha256(BYTES));
  assert.is(at.origin.hits.length, 0);
});

test('gives it to no sibling that shows none, or one that is worth nothing', async () => {
  await using at = await holder();
  const shown = grantsOf().sign(IN_AN_HOUR, at.right, BETWEEN);
  const hourAgo = () => Date.now() - 3_600_000;
  const worthless: Record<string, Record<string, string>> = {
    'nothing shown': { 'x-p2p-token': tokenOf() },
    'a plain grant, as replies have them': {
      'x-p2p-token': tokenOf(),
      'x-p2p-access': 'max-age=300; public=bare',
    },
    'of another repository': {
      'x-p2p-token': tokenOf(),
      'x-p2p-access': grantsOf().sign(IN_AN_HOUR, `${at.right}2`, BETWEEN),
    },
    'by another secret': {
      'x-p2p-token': tokenOf(),
      'x-p2p-access': grantsOf(OLD_SECRET).sign(IN_AN_HOUR, at.right, BETWEEN),
    },
    'shown to another node first': {
      'x-p2p-token': tokenOf(),
      'x-p2p-access': grantsOf().sign(IN_AN_HOUR, at.right, { ...BETWEEN, audience: '10.0.0.9:19145' }),
    },
    'shown by another node first': { 'x-p2p-token': tokenOf('http://10.0.0.6:19145'), 'x-p2p-access': shown },
    'of an hour ago': {
      'x-p2p-token': tokenOf(),
      'x-p2p-access': grantsOf(NEW_SECRET, hourAgo).sign(IN_AN_HOUR, at.right, BETWEEN),
    },
    'that has ended': {
      'x-p2p-token': tokenOf(),
      'x-p2p-access': grantsOf().sign({ untilMs: 0, publicBy: 'bare' }, at.right, BETWEEN),
    },
    'shown by a client of the host': { 'x-p2p-access': shown },
    'shown by a client that names a node': { 'x-p2p-access': shown, 'x-p2p-agent': PEER },
  };
  for (const [name, headers] of Object.entries(worthless)) {
    const answer = await at.ask(headers);
    assert.is(answer.status, 401, name);
    assert.is(answer.bytes.includes(BYTES.subarray(0, 16)), false, name);
  }
});

test('takes what one node shows for nobody else, however public it calls it', async () => {
  await using at = await holder();
  const shown = grantsOf().sign({ ...IN_AN_HOUR, publicBy: 'bare' }, at.right, BETWEEN);
  assert.is((await at.ask({ 'x-p2p-token': tokenOf(), 'x-p2p-access': shown })).status, 200);
  assert.is((await at.ask({})).status, 401);
  assert.is((await at.ask({ authorization: 'Bearer mallory' })).status, 401);
  assert.is((await at.ask({ 'x-p2p-token': tokenOf() })).status, 401);
});

test.run();
