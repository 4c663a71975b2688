import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reply } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { PLAN_TYPE } from '../../../functions/protocol/plan.ts';
import { Plans } from '../../../sidecar/upstream/plans.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { until } from '../../support/until.ts';

const test = suite('sidecar/upstream/plans');

const CHUNK = 1000;
const bytes = blobOf(CHUNK, 'planned');

/** A reply whose body comes in so many pieces. */
function replyOf(status: number, headers: Record<string, string>, body: Buffer, pieces = 1): Reply {
  const length = Math.ceil(body.length / pieces);
  return {
    status,
    headers,
    body: {
      async read(sink) {
        for (let at = 0; at < body.length; at += length) await sink(body.subarray(at, at + length));
      },
      discard() {},
    },
  };
}

test('tells of each piece that comes of a chunk, of which nobody sees any before it is whole', async () => {
  const plan = {
    ...{ size: CHUNK, chunkBytes: CHUNK, first: 0, end: 1, lifeSeconds: 3600, headers: {} },
    chunks: [{ index: 0, sha256: sha256(bytes), url: 'http://store.test/0' }],
  };
  const plans = new Plans({
    http: { request: async () => replyOf(200, { 'content-length': `${CHUNK}` }, bytes, 4) },
    chunkBytes: CHUNK,
    now: () => 0,
  });
  let heard = 0;
  const reply = await plans.open(
    {
      address: parseAddress('http://origin.test/x'),
      method: 'GET',
      headers: { range: `bytes=0-${CHUNK - 1}` },
      heard: () => {
        heard += 1;
      },
    },
    new AbortController().signal,
    async () => replyOf(200, { 'content-type': PLAN_TYPE }, Buffer.from(JSON.stringify(plan))),
  );
  assert.is(heard, 4);
  await reply.body.read((piece) => assert.ok(bytes.equals(piece)));
});

test('waits for a plan for two seconds at most, and asks for the bytes then', async () => {
  const plans = new Plans({
    http: { request: () => Promise.reject(new Error('no store is asked')) },
    chunkBytes: CHUNK,
    now: () => 0,
  });
  const asked: string[] = [];
  let refuse: (reply: Reply) => void = () => {};
  let discarded = 0;
  const reply = await plans.open(
    {
      address: parseAddress('http://origin.test/x'),
      method: 'GET',
      headers: { range: `bytes=0-${CHUNK - 1}` },
    },
    new AbortController().signal,
    async ({ method, headers }) => {
      const isPlan = headers.accept === PLAN_TYPE;
      asked.push(`${method} ${isPlan ? 'plan' : 'bytes'}`);
      if (!isPlan) return replyOf(206, {}, bytes);
      if (method === 'HEAD') return replyOf(200, { 'content-type': PLAN_TYPE }, Buffer.alloc(0));
      return new Promise((resolve) => {
        refuse = resolve;
      });
    },
  );
  assert.equal(asked, ['HEAD plan', 'GET plan', 'GET bytes']);
  assert.is(reply.status, 206);
  const late = replyOf(403, {}, Buffer.alloc(0));
  const discard = () => {
    discarded += 1;
  };
  refuse({ ...late, body: { ...late.body, discard } });
  await until('a late refusal that is given up', () => discarded === 1);
});

test.run();
