import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type BlobFacts,
  confirmFacts,
  EXPIRED_MS,
  isFresh,
  learnFacts,
} from '../../../functions/blob/facts.ts';
import { parseAddress, withHints } from '../../../functions/protocol/address.ts';
import type { HeaderLines } from '../../../functions/protocol/errors.ts';

const test = suite('functions/blob/facts');

const ADDRESS = parseAddress('https://origin.test/file');
const CHUNK_BYTES = 64 * 1024;
const HOUR_MS = 3_600_000;
const OLD = 'Wed, 01 Jan 2020 00:00:00 GMT';

const learn = (headers: HeaderLines, nowMs: number): BlobFacts | undefined =>
  learnFacts(ADDRESS, { size: 10, headers, rangeless: false, isPrivate: false }, CHUNK_BYTES, nowMs);

test('asks again within the hour where the origin says nothing of freshness', () => {
  // Broke: a tenth of its age was fresh, so that a file of 2020 was served old for months after it changed.
  const nowMs = Date.now();
  const facts = learn({ 'last-modified': OLD, etag: '"a"' }, nowMs);
  assert.ok(facts !== undefined && isFresh(facts, nowMs + HOUR_MS / 2, ADDRESS));
  assert.not(isFresh(facts, nowMs + HOUR_MS + 1, ADDRESS));
  const confirmed = confirmFacts(facts, ADDRESS, { 'last-modified': OLD }, nowMs + 2 * HOUR_MS);
  assert.ok(isFresh(confirmed, nowMs + 2.5 * HOUR_MS, ADDRESS));
  assert.not(isFresh(confirmed, nowMs + 3 * HOUR_MS + 1, ADDRESS));
});

for (const said of [
  { 'cache-control': 'public, max-age=86400' },
  { 'cache-control': 'max-age=1,s-maxage=86400' },
  { 'cache-control': 'immutable' },
  { expires: new Date(Date.now() + 24 * HOUR_MS).toUTCString() },
]) {
  test(`keeps to the lifetime in ${JSON.stringify(said)}`, () => {
    const nowMs = Date.now();
    const facts = learn({ 'last-modified': OLD, ...said }, nowMs);
    assert.ok(facts !== undefined && isFresh(facts, nowMs + 23 * HOUR_MS, ADDRESS));
  });
}

test('caches nothing that claims more bytes than its chunks can be numbered', () => {
  // Broke: a reply that said `bytes 0-65535/1125899906842624` made a plan of 17 billion slices.
  const sized = (size: number) =>
    learnFacts(
      ADDRESS,
      { size, headers: { etag: '"a"' }, rangeless: false, isPrivate: false },
      CHUNK_BYTES,
      0,
    );
  assert.ok(sized(CHUNK_BYTES * 10 ** 10));
  assert.is(sized(CHUNK_BYTES * 10 ** 10 + 1), undefined);
  assert.is(sized(2 ** 60), undefined);
});

test('never asks about what a rule calls immutable, unless it was written to', () => {
  const nowMs = Date.now();
  const facts = learn({ 'last-modified': OLD, 'cache-control': 'max-age=1' }, nowMs);
  const isImmutable = true;
  assert.ok(facts !== undefined && isFresh(facts, nowMs + 1000 * HOUR_MS, { isImmutable }));
  assert.not(isFresh({ ...facts, freshUntilMs: EXPIRED_MS }, nowMs, { isImmutable }));
});

test('keeps nothing smaller than a rule says', () => {
  const address = withHints(ADDRESS, { minBytes: 100 });
  const sized = (size: number) =>
    learnFacts(
      address,
      { size, headers: { etag: '"a"' }, rangeless: false, isPrivate: false },
      CHUNK_BYTES,
      0,
    );
  assert.ok(sized(100));
  assert.is(sized(99), undefined);
});

test('caches what a digest names whatever the reply says it varies by, and nothing else that varies', () => {
  const named = parseAddress(`https://origin.test/v2/app/manifests/sha256:${'ab'.repeat(32)}`);
  const seen = { size: 10, headers: { vary: 'Accept', etag: '"a"' }, rangeless: false, isPrivate: false };
  assert.ok(learnFacts(named, seen, CHUNK_BYTES, 0));
  assert.is(learnFacts(ADDRESS, seen, CHUNK_BYTES, 0), undefined);
});

test.run();
