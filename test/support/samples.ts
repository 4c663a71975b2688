import * as assert from 'uvu/assert';
import { type Chunk, type ChunkId, DEFAULT_CHUNK_BYTES } from '../../functions/blob/chunk.ts';
import type { BlobFacts } from '../../functions/blob/facts.ts';
import { blobOf, sha256 } from './blob-of.ts';

/** A key as a digest makes it. */
export const KEY = `sha256:${'a1'.repeat(32)}`;
/** A key as identity and version make it. */
export const BARE_KEY = 'b2'.repeat(32);

/** The first chunk under KEY, but for the part given. */
export const idOf = (part: Partial<ChunkId> = {}): ChunkId => ({
  key: KEY,
  chunkBytes: DEFAULT_CHUNK_BYTES,
  index: 0,
  ...part,
});

/** A true chunk of `blobOf(size, seed)`. */
export function chunkOf(size: number, seed: string | number): Chunk & { readonly sha256: string } {
  const bytes = blobOf(size, seed);
  return { bytes, sha256: sha256(bytes) };
}

/** Asserts that a read gave these bytes and this digest. */
export function sameChunk(got: Chunk | undefined, wanted: Chunk): void {
  assert.ok(got, 'a chunk that was written is missing');
  assert.is(got.bytes.length, wanted.bytes.length);
  assert.is(sha256(got.bytes), wanted.sha256);
  assert.is(got.sha256, wanted.sha256);
}

/** Facts with no optional field. */
export const plainFacts = (): BlobFacts => ({
  key: BARE_KEY,
  size: 0,
  chunkBytes: DEFAULT_CHUNK_BYTES,
  headers: {},
  confirmedAtMs: 0,
});

/** Facts with every optional field, and text that is hard to keep. */
export const fullFacts = (): BlobFacts => ({
  key: KEY,
  size: 3 * 2 ** 30 + 1,
  chunkBytes: 1024,
  digest: KEY as `sha256:${string}`,
  etag: 'W/"é-“quoted”"',
  lastModified: 'Wed, 01 Jan 2020 00:00:00 GMT',
  headers: { 'content-type': 'application/octet-stream', 'docker-content-digest': KEY },
  freshUntilMs: 1_900_000_000_000,
  confirmedAtMs: 1_700_000_000_123,
  rangeless: true,
  sealed: ['c3'.repeat(32), 'd4'.repeat(32)],
});
