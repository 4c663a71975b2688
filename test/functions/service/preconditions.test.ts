import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluatePreconditions, rangeStands } from '../../../functions/service/preconditions.ts';
import { plainFacts } from '../../support/samples.ts';

const test = suite('functions/service/preconditions');

const DATE = 'Wed, 01 Jan 2020 00:00:00 GMT';
const BEFORE = 'Tue, 31 Dec 2019 23:59:59 GMT';
const AFTER = 'Wed, 01 Jan 2020 00:00:01 GMT';
const STRONG = { ...plainFacts(), etag: '"a"', lastModified: DATE };
const WEAK = { ...plainFacts(), etag: 'W/"a"', lastModified: DATE };
const BARE = plainFacts();
const COMMA = { ...plainFacts(), etag: '"a,b"' };

for (const [facts, headers, verdict] of [
  [STRONG, {}, 'go'],
  [STRONG, { 'if-match': '"a"' }, 'go'],
  [STRONG, { 'if-match': '"x", "a"' }, 'go'],
  [STRONG, { 'if-match': '*' }, 'go'],
  [STRONG, { 'if-match': '"b"' }, 'failed'],
  [STRONG, { 'if-match': 'W/"a"' }, 'failed'],
  [WEAK, { 'if-match': 'W/"a"' }, 'failed'],
  [WEAK, { 'if-match': '"a"' }, 'failed'],
  [BARE, { 'if-match': '"a"' }, 'failed'],
  [COMMA, { 'if-match': '"a,b"' }, 'go'],
  [COMMA, { 'if-match': '"a"' }, 'failed'],
  [STRONG, { 'if-none-match': '"a"' }, 'not-modified'],
  [STRONG, { 'if-none-match': 'W/"a"' }, 'not-modified'],
  [WEAK, { 'if-none-match': '"a"' }, 'not-modified'],
  [STRONG, { 'if-none-match': '"b", "a"' }, 'not-modified'],
  [STRONG, { 'if-none-match': '*' }, 'not-modified'],
  [STRONG, { 'if-none-match': '"b"' }, 'go'],
  [BARE, { 'if-none-match': '"a"' }, 'go'],
  [STRONG, { 'if-modified-since': DATE }, 'not-modified'],
  [STRONG, { 'if-modified-since': AFTER }, 'not-modified'],
  [STRONG, { 'if-modified-since': BEFORE }, 'go'],
  [STRONG, { 'if-modified-since': 'yesterday' }, 'go'],
  [BARE, { 'if-modified-since': DATE }, 'go'],
  // If-None-Match makes If-Modified-Since void (RFC 9110 §13.1.3).
  [STRONG, { 'if-none-match': '"b"', 'if-modified-since': AFTER }, 'go'],
  [STRONG, { 'if-unmodified-since': DATE }, 'go'],
  [STRONG, { 'if-unmodified-since': BEFORE }, 'failed'],
  [STRONG, { 'if-unmodified-since': 'yesterday' }, 'go'],
  [BARE, { 'if-unmodified-since': BEFORE }, 'go'],
  // If-Match makes If-Unmodified-Since void (§13.1.4).
  [STRONG, { 'if-match': '"a"', 'if-unmodified-since': BEFORE }, 'go'],
  [STRONG, { 'if-match': '"b"', 'if-none-match': '"a"' }, 'failed'],
  [STRONG, { 'if-match': '"a"', 'if-none-match': '"a"' }, 'not-modified'],
  // The request's Cache-Control is for caches to judge before this.
  [STRONG, { 'if-none-match': '"a"', 'cache-control': 'no-cache' }, 'not-modified'],
] as const) {
  const version = facts.etag ?? 'no ETag';
  test(`says ${verdict} of ${version} to ${JSON.stringify(headers)}`, () => {
    assert.is(evaluatePreconditions(headers, facts), verdict);
  });
}

for (const [facts, ifRange, stands] of [
  [STRONG, undefined, true],
  [STRONG, '"a"', true],
  [STRONG, '"b"', false],
  [STRONG, 'W/"a"', false],
  [WEAK, 'W/"a"', false],
  [WEAK, '"a"', false],
  [STRONG, DATE, true],
  [STRONG, BEFORE, false],
  [STRONG, AFTER, false],
  [STRONG, 'nonsense', false],
  [STRONG, '', false],
  [BARE, DATE, false],
  [BARE, '"a"', false],
] as const) {
  test(`lets a Range ${stands ? 'stand' : 'fall'} for ${facts.etag ?? 'no ETag'} with If-Range: ${ifRange}`, () => {
    assert.is(rangeStands(ifRange, facts), stands);
  });
}

test.run();
