import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Chunk } from '../../../functions/blob/chunk.ts';
import { DigestPass } from '../../../functions/blob/verify.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { chunkOf } from '../../support/samples.ts';

const test = suite('functions/blob/verify');

const BYTES = blobOf(250, 'verify');
const CHUNKS: readonly Chunk[] = [0, 100, 200].map((at) => {
  const bytes = BYTES.subarray(at, at + 100);
  return { bytes, sha256: sha256(bytes) };
});
const passOf = (bytes: Uint8Array) => new DigestPass(`sha256:${sha256(bytes)}`);

test('gives the digests of the chunks when the whole is what its digest says', () => {
  const pass = passOf(BYTES);
  assert.ok(CHUNKS.every((chunk, index) => pass.offer(index, chunk)));
  const sums = CHUNKS.map((chunk) => chunk.sha256);
  assert.equal(pass.verdict(3), sums);
  assert.equal(pass.verdict(3), sums);
});

test('gives nothing when one byte is another', () => {
  const pass = passOf(BYTES);
  const wrong = [CHUNKS[0], chunkOf(100, 'other'), CHUNKS[2]] as Chunk[];
  for (const [index, chunk] of wrong.entries()) pass.offer(index, chunk);
  assert.is(pass.verdict(3), undefined);
});

test('gives nothing before all was offered, and nothing for another number of chunks', () => {
  const pass = passOf(BYTES);
  pass.offer(0, CHUNKS[0] as Chunk);
  pass.offer(1, CHUNKS[1] as Chunk);
  assert.is(pass.verdict(3), undefined);
  pass.offer(2, CHUNKS[2] as Chunk);
  assert.is(pass.verdict(2), undefined);
  assert.is(pass.verdict(3)?.length, 3);
});

test('hashes each chunk once however many offer it, and notices one who was given other bytes', () => {
  const pass = passOf(BYTES);
  const order = [0, 0, 1, 0, 1, 1, 2, 2];
  assert.ok(order.every((index) => pass.offer(index, CHUNKS[index] as Chunk)));
  assert.is(pass.offer(1, chunkOf(100, 'other')), false);
  assert.is(pass.verdict(3)?.length, 3);
  assert.ok(pass.offer(0, CHUNKS[0] as Chunk));
});

test.run();
