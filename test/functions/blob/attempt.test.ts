import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { firstSuccess } from '../../../functions/blob/attempt.ts';
import type { Source } from '../../../functions/blob/upstream.ts';
import { type ErrorCode, P2PError } from '../../../functions/protocol/errors.ts';
import { rejects } from '../../support/rejects.ts';

const test = suite('functions/blob/attempt');

const sourcesOf = (...names: string[]): Source[] =>
  names.map((name) => ({ name, kind: 'root', open: () => Promise.reject(new Error('not asked')) }));

/** Asks sources whose names are the codes that they fail with; `ok` does not. */
async function run(...names: string[]) {
  const asked: string[] = [];
  const failed: string[] = [];
  const result = firstSuccess(
    sourcesOf(...names),
    async ({ name }) => {
      asked.push(name);
      if (name !== 'ok') throw new P2PError(name as ErrorCode, `failed with ${name}`);
      return name;
    },
    ({ name }) => failed.push(name),
  );
  const outcome = await result.catch((error: unknown) => error);
  return { asked, failed, outcome };
}

test('takes the first that succeeds, and asks none after it', async () => {
  const { asked, failed, outcome } = await run('UPSTREAM_TIMEOUT', 'ok', 'ok');
  assert.is(outcome, 'ok');
  assert.equal(asked, ['UPSTREAM_TIMEOUT', 'ok']);
  assert.equal(failed, ['UPSTREAM_TIMEOUT']);
});

for (const code of ['UPSTREAM_REFUSED', 'ORIGIN_NOT_ALLOWED', 'ORIGIN_CHANGED', 'CLIENT_GONE'] as const) {
  test(`asks nobody else after ${code}`, async () => {
    const { asked, failed, outcome } = await run(code, 'ok');
    await rejects(code, Promise.reject(outcome));
    assert.equal(asked, [code]);
    assert.equal(failed, []);
  });
}

test('says what all failed with when that is the same', async () => {
  const { outcome, failed } = await run('UPSTREAM_FAILED', 'UPSTREAM_FAILED');
  await rejects('UPSTREAM_FAILED', Promise.reject(outcome));
  assert.is(failed.length, 2);
});

test('says that all failed, with every reason, when they differ or there is none to ask', async () => {
  const { outcome } = await run('UPSTREAM_FAILED', 'UPSTREAM_TIMEOUT');
  const error = await rejects('UPSTREAMS_EXHAUSTED', Promise.reject(outcome));
  assert.equal(
    (error.cause as AggregateError).errors.map(({ code }) => code),
    ['UPSTREAM_FAILED', 'UPSTREAM_TIMEOUT'],
  );
  await rejects('UPSTREAMS_EXHAUSTED', Promise.reject((await run()).outcome));
});

test('passes on what is not ours at once', async () => {
  const bug = new TypeError('bug');
  const outcome = await firstSuccess(
    sourcesOf('a', 'b'),
    () => Promise.reject(bug),
    () => {},
  ).catch((error: unknown) => error);
  assert.is(outcome, bug);
});

test.run();
