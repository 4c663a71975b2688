import { createCipheriv, createHash } from 'node:crypto';

/** Bytes that exist only where they are asked for, so that a test blob of 3 GiB needs no memory. */
export interface VirtualBlob {
  readonly size: number;
  /** The bytes `[offset, offset + length)`; the caller owns them. */
  at(offset: number, length: number): Buffer;
}

const BLOCK_BYTES = 16;
const ZEROS = Buffer.alloc(1024 * 1024);

/**
 * A blob of `size` incompressible bytes that depend on the seed alone: the same on every machine. It is an
 * AES-CTR key stream, which can be entered at any offset.
 */
export function virtualBlob(size: number, seed: string | number): VirtualBlob {
  const key = createHash('sha256').update(String(seed)).digest().subarray(0, BLOCK_BYTES);
  return { size, at: (offset, length) => keyStream(key, offset, Math.min(length, size - offset)) };
}

function keyStream(key: Buffer, offset: number, length: number): Buffer {
  const counter = Buffer.alloc(BLOCK_BYTES);
  counter.writeBigUInt64BE(BigInt(Math.floor(offset / BLOCK_BYTES)), 8);
  const cipher = createCipheriv('aes-128-ctr', key, counter);
  cipher.update(ZEROS.subarray(0, offset % BLOCK_BYTES));
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += ZEROS.length) {
    cipher.update(ZEROS.subarray(0, length - at)).copy(bytes, at);
  }
  return bytes;
}

/** The whole of `virtualBlob(size, seed)`. */
export const blobOf = (size: number, seed: string | number): Buffer => virtualBlob(size, seed).at(0, size);

/** The sha-256 of bytes, or of a virtual blob without ever holding it, in hex. */
export function sha256(blob: Uint8Array | VirtualBlob): string {
  const hash = createHash('sha256');
  if (blob instanceof Uint8Array) return hash.update(blob).digest('hex');
  for (let at = 0; at < blob.size; at += ZEROS.length) hash.update(blob.at(at, ZEROS.length));
  return hash.digest('hex');
}
