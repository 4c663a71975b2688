import { createHash } from 'node:crypto';
import type { Chunk, ChunkId } from '../chunk.ts';
import { sha256Hex } from '../hash.ts';
import { chunkPath } from '../path.ts';
import { crc32 } from './crc32.ts';

/** Length of the seal that ends a chunk's file. */
export const SEAL_BYTES = 64;
const SUM_BYTES = 32;

/**
 * A chunk's file is its bytes, then 64 bytes of seal:
 *
 *   sum of the bytes (32) | sha-256 of "<path>\n<length>\n<the sum in hex>" (32)
 *
 * The sum is the chunk's sha-256; of a chunk that has none, which then says only that the disk has kept what was
 * written, its CRC-32 behind "crc32:" and zeros. The second half ties the bytes to their name and length, so a file
 * cut short, grown, or moved to another name fails without its bytes being read.
 */
export function sealOf(id: ChunkId, { bytes, sha256 }: Chunk): Buffer {
  return seal(id, bytes.length, sha256 === undefined ? crcSum(bytes) : Buffer.from(sha256, 'hex'));
}

/** The sha-256 that a seal gives of its chunk; `undefined` where it is of the other kind. */
export function sha256Of(seal: Buffer): string | undefined {
  const isCrc = seal.subarray(0, CRC_TAG.length).equals(CRC_TAG);
  return isCrc ? undefined : seal.toString('hex', 0, SUM_BYTES);
}

/**
 * The chunk in a whole file, or `undefined` when the seal does not fit. `trusted` skips looking at the bytes, for
 * a file whose bytes this process has checked before, or written. The chunk's bytes are a view into `file`.
 */
export async function openSealed(id: ChunkId, file: Buffer, trusted: boolean): Promise<Chunk | undefined> {
  const length = file.length - SEAL_BYTES;
  if (length <= 0) return undefined;
  const found = file.subarray(length);
  const sum = found.subarray(0, SUM_BYTES);
  if (!seal(id, length, sum).equals(found)) return undefined;
  const bytes = file.subarray(0, length);
  const sha256 = sha256Of(found);
  if (trusted) return { bytes, sha256 };
  const isAsWritten = sha256 === undefined ? crcSum(bytes).equals(sum) : (await sha256Hex(bytes)) === sha256;
  return isAsWritten ? { bytes, sha256 } : undefined;
}

function seal(id: ChunkId, length: number, sum: Buffer): Buffer {
  const tie = createHash('sha256')
    .update(`${chunkPath(id)}\n${length}\n${sum.toString('hex')}`)
    .digest();
  return Buffer.concat([sum, tie]);
}

// No sha-256 begins so by chance: that would be once in 2^224.
const CRC_TAG = Buffer.alloc(SUM_BYTES - 4);
CRC_TAG.write('crc32:');

function crcSum(bytes: Uint8Array): Buffer {
  const sum = Buffer.alloc(SUM_BYTES);
  CRC_TAG.copy(sum);
  sum.writeUInt32BE(crc32(bytes), CRC_TAG.length);
  return sum;
}
