import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chunkSpan, countChunks, DEFAULT_CHUNK_BYTES, MiB, planRead } from '../../../functions/blob/chunk.ts';
import { pickFrom, seeded } from '../../support/seeded.ts';

const test = suite('functions/blob/chunk');

test('plans nothing for an empty span', () => {
  assert.equal([...planRead({ start: 0, end: 0 }, 4)], []);
  assert.equal([...planRead({ start: 8, end: 8 }, 4)], []);
});

for (const [span, slices] of [
  [{ start: 0, end: 1 }, [{ index: 0, from: 0, to: 1 }]],
  [{ start: 0, end: 4 }, [{ index: 0, from: 0, to: 4 }]],
  [{ start: 3, end: 4 }, [{ index: 0, from: 3, to: 4 }]],
  [{ start: 4, end: 5 }, [{ index: 1, from: 0, to: 1 }]],
  [
    { start: 3, end: 5 },
    [
      { index: 0, from: 3, to: 4 },
      { index: 1, from: 0, to: 1 },
    ],
  ],
  [
    { start: 2, end: 10 },
    [
      { index: 0, from: 2, to: 4 },
      { index: 1, from: 0, to: 4 },
      { index: 2, from: 0, to: 2 },
    ],
  ],
] as const) {
  test(`covers [${span.start}, ${span.end}) of chunks of 4`, () => {
    assert.equal([...planRead(span, 4)], slices);
  });
}

test('plans the bytes that a naive walk from byte to byte finds, each once and in order', () => {
  const random = seeded('plan');
  for (let round = 0; round < 3_000; round += 1) {
    const chunkBytes = pickFrom(random, [1, 2, 3, 7, 16]);
    const edge = () =>
      pickFrom(random, [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, Math.floor(random() * 100)]);
    const start = edge();
    const end = start + edge();
    const slices = [...planRead({ start, end }, chunkBytes)];
    const walked = slices.flatMap(({ index, from, to }) =>
      Array.from({ length: to - from }, (_, n) => index * chunkBytes + from + n),
    );
    const wanted = Array.from({ length: end - start }, (_, n) => start + n);
    assert.equal(walked, wanted, JSON.stringify({ start, end, chunkBytes }));
    const indexes = slices.map(({ index }) => index);
    assert.equal(
      indexes,
      [...new Set(indexes)].sort((a, b) => a - b),
    );
    for (const { from, to } of slices) assert.ok(0 <= from && from < to && to <= chunkBytes);
  }
});

test('plans exactly where blobs are larger than 32 bits can count', () => {
  const start = 3 * 2 ** 40 - 1;
  const index = start / DEFAULT_CHUNK_BYTES;
  assert.equal(
    [...planRead({ start, end: start + 2 }, DEFAULT_CHUNK_BYTES)],
    [
      { index: Math.floor(index), from: DEFAULT_CHUNK_BYTES - 1, to: DEFAULT_CHUNK_BYTES },
      { index: Math.floor(index) + 1, from: 0, to: 1 },
    ],
  );
});

test('plans the start of a blob of any size at once', () => {
  // Broke: the plan of a blob that said it had a petabyte was 17 billion slices, and the process died of it.
  const plan = planRead({ start: 0, end: 2 ** 50 }, 64 * 1024);
  assert.equal(plan.next().value, { index: 0, from: 0, to: 64 * 1024 });
  assert.equal(plan.next().value, { index: 1, from: 0, to: 64 * 1024 });
});

test('gives every byte of a blob to one chunk, the last of which ends with the blob', () => {
  for (const chunkBytes of [1, 4, 5]) {
    for (let size = 0; size <= 3 * chunkBytes + 1; size += 1) {
      const spans = Array.from({ length: countChunks(size, chunkBytes) }, (_, index) =>
        chunkSpan(index, chunkBytes, size),
      );
      let at = 0;
      for (const { start, end } of spans) {
        assert.is(start, at);
        assert.ok(end > start);
        assert.ok(end - start === chunkBytes || end === size);
        at = end;
      }
      assert.is(at, size, `size ${size} in chunks of ${chunkBytes}`);
    }
  }
});

test('fits a whole chunk into the reply of a function in base64', () => {
  assert.ok((DEFAULT_CHUNK_BYTES * 4) / 3 < 6 * MiB - 64 * 1024);
});

test.run();
