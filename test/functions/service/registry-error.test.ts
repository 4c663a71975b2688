import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ErrorCode, P2PError } from '../../../functions/protocol/errors.ts';
import { formatRegistryError, isRegistryTarget } from '../../../functions/service/registry-error.ts';
import { eachCase } from '../../support/each-case.ts';

const test = suite('functions/service/registry-error');

const format = (code: ErrorCode) => JSON.parse(String(formatRegistryError(new P2PError(code, 'why'))));

test('says in the shape of the registry API what failed, and in detail our own code', () => {
  assert.equal(format('ORIGIN_NOT_ALLOWED'), {
    errors: [{ code: 'DENIED', message: 'why', detail: 'ORIGIN_NOT_ALLOWED' }],
  });
});

test('uses the codes that clients know', async () => {
  await eachCase<ErrorCode[]>(
    {
      NAME_INVALID: ['ADDRESS_INVALID'],
      UNSUPPORTED: ['METHOD_NOT_ALLOWED'],
      DENIED: ['KEY_REFUSED', 'RULE_DENIED', 'ORIGIN_NOT_ALLOWED', 'ACCESS_UNPROVEN'],
      RANGE_INVALID: ['RANGE_UNSATISFIABLE'],
      DIGEST_INVALID: ['DIGEST_MISMATCH'],
      UNAVAILABLE: ['UPSTREAM_UNREACHABLE', 'UPSTREAM_TIMEOUT', 'UPSTREAMS_EXHAUSTED', 'DRAINING'],
      UNKNOWN: ['PRECONDITION_FAILED', 'STORE_READ_FAILED'],
    },
    (codes, expected) => {
      for (const code of codes) assert.is(format(code).errors[0].code, expected, code);
    },
  );
});

test('repeats what another node of ours explains', () => {
  const body = Buffer.from('ORIGIN_NOT_ALLOWED: https://a.test is not on the list\n');
  const error = new P2PError('ORIGIN_NOT_ALLOWED', 'http://root.test answered 403', { body });
  assert.is(
    JSON.parse(String(formatRegistryError(error))).errors[0].message,
    'https://a.test is not on the list',
  );
});

test('says nothing of what is not for clients', () => {
  assert.is(format('STORE_READ_FAILED').errors[0].message, 'internal error');
});

test("knows the targets of the registry's API, in either form", () => {
  for (const target of [
    '/v2',
    '/v2/',
    '/v2/?x',
    '/v2?x',
    '/v2/a/tags/list',
    'http://h.test/v2/a',
    'https://h:1/v2/',
  ])
    assert.ok(isRegistryTarget(target), target);
  for (const target of [
    '/',
    '/v20',
    '/v1/',
    '/a/v2/',
    '/dadip2p/http://h.test/v2/',
    'http://h.test/a/v2/',
    'http://h.test?/v2/',
  ])
    assert.not(isRegistryTarget(target), target);
});

test.run();
