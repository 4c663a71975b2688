import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_PLAN_CHUNKS, type Plan, parsePlan } from '../../../functions/protocol/plan.ts';

const test = suite('functions/protocol/plan');

const plan: Plan = {
  size: 100,
  chunkBytes: 64,
  first: 0,
  end: 2,
  lifeSeconds: 900,
  headers: { etag: '"a"' },
  chunks: [{ index: 1, sha256: 'a'.repeat(64), url: 'https://s3.test/chunk?X-Amz-Signature=x' }],
};

test('reads what a root writes, and ignores what it says beside', () => {
  assert.equal(parsePlan(JSON.stringify(plan)), plan);
  assert.equal(parsePlan(JSON.stringify({ ...plan, more: true })), plan);
});

test('takes nothing else for a plan', () => {
  const [chunk] = plan.chunks;
  const others = {
    'no JSON': '{',
    null: 'null',
    'a list': '[]',
    'no size': { ...plan, size: undefined },
    'a negative size': { ...plan, size: -1 },
    'chunks of nothing': { ...plan, chunkBytes: 0 },
    'too many chunks': { ...plan, end: MAX_PLAN_CHUNKS + 1 },
    'no headers': { ...plan, headers: null },
    'no digest': { ...plan, chunks: [{ ...chunk, sha256: 'abc' }] },
    'another kind of URL': { ...plan, chunks: [{ ...chunk, url: 'file:///etc/passwd' }] },
    'no chunk': { ...plan, chunks: [null] },
  };
  for (const [name, other] of Object.entries(others)) {
    const text = typeof other === 'string' ? other : JSON.stringify(other);
    assert.is(parsePlan(text), undefined, name);
  }
});

test.run();
