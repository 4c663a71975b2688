import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  formatContentRange,
  formatRange,
  parseContentRange,
  parseRange,
  type RangeSpec,
  resolveRanges,
} from '../../../functions/protocol/range.ts';
import { throws } from '../../support/rejects.ts';
import { pickFrom, seeded } from '../../support/seeded.ts';

const test = suite('functions/protocol/range');

for (const [header, specs] of [
  ['bytes=0-0', [{ first: 0, last: 0 }]],
  ['bytes=0-99', [{ first: 0, last: 99 }]],
  ['bytes=100-', [{ first: 100, last: undefined }]],
  ['bytes=-5', [{ suffix: 5 }]],
  ['bytes=-0', [{ suffix: 0 }]],
  ['BYTES=1-2', [{ first: 1, last: 2 }]],
  [' bytes = 1 - 2 ', [{ first: 1, last: 2 }]],
  ['bytes=0-1,5-6, -1', [{ first: 0, last: 1 }, { first: 5, last: 6 }, { suffix: 1 }]],
  ['bytes=,0-1,,', [{ first: 0, last: 1 }]],
] as const satisfies readonly (readonly [string, readonly RangeSpec[]])[]) {
  test(`reads "${header}"`, () => {
    assert.equal(parseRange(header), specs);
  });
}

for (const header of [
  undefined,
  '',
  'bytes',
  'bytes=',
  'bytes=,',
  'bytes=-',
  'bytes=5-4',
  'bytes=0-1,5-4',
  'bytes=a-b',
  'bytes=0x0-1',
  'bytes=1.5-2',
  'bytes=--5',
  'bytes=0-1-2',
  'bytes=+1-2',
  'bytes 0-1',
  'items=0-1',
  'bytes=9223372036854775807-5',
  `bytes=${Array.from({ length: 33 }, (_, n) => `${n}-${n}`).join(',')}`,
]) {
  test(`ignores ${JSON.stringify(header)?.slice(0, 40) ?? 'an absent header'}`, () => {
    assert.is(parseRange(header), undefined);
  });
}

test('clamps what lies beyond the largest exact number', () => {
  // Broke: `bytes=990-9223372036854775807` was ignored, and the whole blob sent.
  const { MAX_SAFE_INTEGER } = Number;
  for (const huge of ['9007199254740993', '9223372036854775807', '18446744073709551615', '9'.repeat(400)]) {
    assert.equal(parseRange(`bytes=990-${huge}`), [{ first: 990, last: MAX_SAFE_INTEGER }]);
    assert.equal(parseRange(`bytes=${huge}-`), [{ first: MAX_SAFE_INTEGER, last: undefined }]);
    assert.equal(parseRange(`bytes=-${huge}`), [{ suffix: MAX_SAFE_INTEGER }]);
    assert.equal(resolveRanges(parseRange(`bytes=990-${huge}`) ?? [], 1000), [{ start: 990, end: 1000 }]);
    assert.equal(resolveRanges(parseRange(`bytes=-${huge}`) ?? [], 1000), [{ start: 0, end: 1000 }]);
    throws('RANGE_UNSATISFIABLE', () => resolveRanges(parseRange(`bytes=${huge}-`) ?? [], 1000));
  }
});

test('takes as many as 32 ranges', () => {
  const header = `bytes=${Array.from({ length: 32 }, (_, n) => `${n}-${n}`).join(',')}`;
  assert.is(parseRange(header)?.length, 32);
});

test('resolves to the bytes that a naive reading of the header selects', () => {
  const random = seeded('ranges');
  for (let round = 0; round < 5_000; round += 1) {
    const size = pickFrom(random, [0, 1, 2, 15, 16, 17]);
    const edge = () =>
      pickFrom(random, [0, 1, size - 1, size, size + 1, Math.floor(random() * 20)].filter(isNatural));
    const specs: RangeSpec[] = Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
      const first = edge();
      const last = random() < 0.3 ? undefined : first + edge();
      return random() < 0.3 ? { suffix: edge() } : { first, last };
    });
    const wanted = specs.map((spec) => naive(spec, size)).filter((bytes) => bytes.length > 0);
    if (wanted.length === 0) {
      const error = throws('RANGE_UNSATISFIABLE', () => resolveRanges(specs, size));
      assert.is(error.status, 416);
      assert.equal(error.headers, { 'Content-Range': `bytes */${size}` });
      continue;
    }
    const spans = resolveRanges(specs, size);
    const got = spans.map(({ start, end }) => Array.from({ length: end - start }, (_, n) => start + n));
    assert.equal(got, wanted, JSON.stringify({ size, specs }));
  }
});

/** The positions of the bytes that are asked for, one by one. */
function naive(spec: RangeSpec, size: number): number[] {
  const all = Array.from({ length: size }, (_, position) => position);
  if ('suffix' in spec) return all.slice(size - Math.min(size, spec.suffix));
  return all.filter((position) => position >= spec.first && position <= (spec.last ?? Infinity));
}

const isNatural = (value: number) => value >= 0;

test('stays exact where blobs are larger than 32 bits can count', () => {
  const size = 3 * 2 ** 40 + 7;
  assert.equal(resolveRanges([{ suffix: 3 }], size), [{ start: size - 3, end: size }]);
  assert.equal(resolveRanges([{ first: 2 ** 41, last: 2 ** 41 }], size), [
    { start: 2 ** 41, end: 2 ** 41 + 1 },
  ]);
  assert.equal(resolveRanges([{ first: 0, last: 10 ** 16 }], size), [{ start: 0, end: size }]);
});

test('writes a range that reads back as itself', () => {
  assert.is(formatRange({ start: 0, end: 4 }), 'bytes=0-3');
  assert.is(formatContentRange({ start: 0, end: 4 }, 10), 'bytes 0-3/10');
  const random = seeded('round trip');
  for (let round = 0; round < 1_000; round += 1) {
    const start = Math.floor(random() * 2 ** 45);
    const end = start + 1 + Math.floor(random() * 2 ** 30);
    const total = end + Math.floor(random() * 3);
    assert.equal(resolveRanges(parseRange(formatRange({ start, end })) ?? [], total), [{ start, end }]);
    assert.equal(parseContentRange(formatContentRange({ start, end }, total)), {
      span: { start, end },
      total,
    });
  }
});

for (const [header, range] of [
  ['bytes 0-0/1', { span: { start: 0, end: 1 }, total: 1 }],
  ['Bytes 5-9/*', { span: { start: 5, end: 10 }, total: undefined }],
  ['bytes */10', { span: undefined, total: 10 }],
  ['bytes */0', { span: undefined, total: 0 }],
] as const) {
  test(`reads Content-Range "${header}"`, () => {
    assert.equal(parseContentRange(header), range);
  });
}

for (const header of [
  undefined,
  '',
  'bytes',
  'bytes 0-9',
  'bytes=0-9/10',
  'bytes 5-4/10',
  'bytes 0-10/10',
  'bytes 0-0/0',
  'bytes -5/10',
  'bytes 5-/10',
  'bytes 0-9/10, 20-29/30',
  'items 0-9/10',
]) {
  test(`takes Content-Range ${JSON.stringify(header) ?? 'when absent'} for none`, () => {
    assert.is(parseContentRange(header), undefined);
  });
}

test.run();
