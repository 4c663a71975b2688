import { createHash } from 'node:crypto';
import type { Chunk, ChunkId } from '../chunk.ts';
import { sha256Hex } from '../hash.ts';
import { chunkPath } from '../path.ts';

/** Length of the seal that ends a chunk's file. */
export const SEAL_BYTES = 64;

/**
 * A chunk's file is its bytes, then 64 bytes of seal:
 *
 *   sha-256 of the bytes (32) | sha-256 of "<path>\n<length>\n<the first hash in hex>" (32)
 *
 * The second half ties the bytes to their name and length, so a file cut short, grown, or moved to another
 * name fails without its bytes being read; the first half tells whether the bytes are those written.
 */
export function sealOf(id: ChunkId, length: number, sha256: string): Buffer {
  const tie = createHash('sha256')
    .update(`${chunkPath(id)}\n${length}\n${sha256}`)
    .digest();
  return Buffer.concat([Buffer.from(sha256, 'hex'), tie]);
}

/**
 * The chunk in a whole file, or `undefined` when the seal does not fit. `trusted` skips hashing the bytes, for
 * a file whose bytes were checked before. The chunk's bytes are a view into `file`.
 */
export async function openSealed(id: ChunkId, file: Buffer, trusted: boolean): Promise<Chunk | undefined> {
  const length = file.length - SEAL_BYTES;
  if (length <= 0) return undefined;
  const sha256 = file.toString('hex', length, length + 32);
  if (!sealOf(id, length, sha256).equals(file.subarray(length))) return undefined;
  const bytes = file.subarray(0, length);
  if (!trusted && (await sha256Hex(bytes)) !== sha256) return undefined;
  return { bytes, sha256 };
}
