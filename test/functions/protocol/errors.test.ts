import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ErrorCode, hasCode, P2PError } from '../../../functions/protocol/errors.ts';

const test = suite('functions/protocol/errors');

for (const [code, status, expose, retry] of [
  ['ADDRESS_INVALID', 400, true, 'never'],
  ['KEY_REFUSED', 403, true, 'never'],
  ['ORIGIN_NOT_ALLOWED', 403, true, 'never'],
  ['RANGE_UNSATISFIABLE', 416, true, 'never'],
  ['LOOP_DETECTED', 508, true, 'elsewhere'],
  ['UPSTREAM_UNREACHABLE', 502, true, 'elsewhere'],
  ['UPSTREAM_TIMEOUT', 504, true, 'elsewhere'],
  ['UPSTREAM_TRUNCATED', 502, true, 'elsewhere'],
  ['ORIGIN_CHANGED', 502, true, 'restart'],
  ['DIGEST_MISMATCH', 502, true, 'restart'],
  ['CHUNK_CORRUPT', 502, false, 'elsewhere'],
  ['STORE_READ_FAILED', 500, false, 'elsewhere'],
  ['CLIENT_GONE', 499, false, 'never'],
] as const satisfies readonly (readonly [ErrorCode, number, boolean, string])[]) {
  test(`answers ${code} with ${status}`, () => {
    const error = new P2PError(code, 'why');
    assert.equal([error.status, error.expose, error.retry], [status, expose, retry]);
    assert.equal([error.code, error.message, error.name], [code, 'why', 'P2PError']);
    assert.equal(error.headers, {});
    assert.is(error.body, undefined);
  });
}

test('carries a refusal as it was received', () => {
  const body = new Uint8Array([1, 2]);
  const headers = { 'www-authenticate': 'Bearer', 'set-cookie': ['a', 'b'] };
  const error = new P2PError('UPSTREAM_REFUSED', 'no', { status: 401, headers, body });
  assert.is(error.status, 401);
  assert.is(error.headers, headers);
  assert.is(error.body, body);
});

test('is an error with a stack and the cause it was given', () => {
  const cause = new Error('socket');
  const error = new P2PError('UPSTREAM_UNREACHABLE', 'asked h.test', { cause });
  assert.instance(error, Error);
  assert.is(error.cause, cause);
  assert.match(String(error.stack), 'errors.test.ts');
  assert.is('cause' in new P2PError('UPSTREAM_UNREACHABLE', 'x'), false);
});

test('is told apart by its code', () => {
  const error: unknown = new P2PError('DRAINING', 'x');
  assert.is(hasCode(error, 'DRAINING'), true);
  assert.is(hasCode(error, 'CLIENT_GONE'), false);
  for (const other of [undefined, null, 'DRAINING', new Error('x'), { code: 'DRAINING' }]) {
    assert.is(hasCode(other, 'DRAINING'), false);
  }
});

test.run();
