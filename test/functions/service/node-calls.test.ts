import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reply } from '../../../functions/blob/upstream.ts';
import { CLOCK_HEADER, TOKEN_HEADER } from '../../../functions/protocol/token.ts';
import { ClusterKeys } from '../../../functions/service/cluster-keys.ts';
import { NodeCalls } from '../../../functions/service/node-calls.ts';
import { NodeTokens } from '../../../functions/service/node-tokens.ts';
import { NEW_SECRET } from '../../support/secrets.ts';

const test = suite('functions/service/node-calls');

const HOUR = 3_600_000;
const NOW_MS = 1_763_840_000_000;
const CALLEE = { url: 'http://10.0.0.8:19145', audience: '10.0.0.8:19145' };

const tokensAt = (now: () => number): NodeTokens =>
  new NodeTokens({
    keys: ClusterKeys.of([NEW_SECRET]) as ClusterKeys,
    self: 'http://10.0.0.7:19145',
    now,
  });

/** A node whose clock a test sets, and by how much each request to it was told that this is off. */
function callee() {
  const clock = { aheadMs: 0 };
  const tokens = tokensAt(() => NOW_MS + clock.aheadMs);
  const told: number[] = [];
  const request = async (proof: object, aheadMs: number): Promise<Reply> => {
    told.push(aheadMs);
    const token = String((proof as Record<string, string>)[TOKEN_HEADER]);
    const verdict = tokens.verify(token, new Set([CALLEE.audience]), 'read');
    const word = 'clock' in verdict ? { [CLOCK_HEADER]: String(verdict.clock) } : {};
    return {
      status: 'issuer' in verdict ? 200 : 401,
      headers: word,
      body: { read: async () => {}, discard() {} },
    };
  };
  return { clock, told, request };
}

test('asks once more, by the clock of whoever refused, and from then on by that until it is set right', async () => {
  const calls = new NodeCalls(tokensAt(() => NOW_MS));
  const { clock, told, request } = callee();
  const send = async () => (await calls.send(CALLEE, 'read', request)).status;
  for (const aheadMs of [HOUR, -HOUR, 0]) {
    clock.aheadMs = aheadMs;
    assert.is(await send(), 200);
    assert.is(await send(), 200);
    assert.equal(told.slice(-2), [aheadMs, aheadMs]);
  }
  assert.equal(told, [0, HOUR, HOUR, HOUR, -HOUR, -HOUR, -HOUR, 0, 0]);
});

test('asks no third time, and of others by no clock but their own', async () => {
  const calls = new NodeCalls(tokensAt(() => NOW_MS));
  const { clock, told, request } = callee();
  const reply = await calls.send(CALLEE, 'read', (proof, aheadMs) => {
    clock.aheadMs += HOUR;
    return request(proof, aheadMs);
  });
  assert.is(reply.status, 401);
  assert.equal(told, [0, HOUR]);
  clock.aheadMs = 0;
  assert.is((await calls.send({ ...CALLEE, url: 'http://10.0.0.9:19145' }, 'read', request)).status, 200);
  assert.equal(told, [0, HOUR, 0]);
});

test.run();
