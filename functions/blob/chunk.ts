import type { Span } from '../protocol/range.ts';
import type { ChunkMemory } from './chunk-memory.ts';

/** 1,024 bytes. */
export const KiB = 1024;
/** 1,024 KiB. */
export const MiB = 1024 * KiB;

/** The largest chunk that fits a function's 6 MB reply in base64 (AWS Lambda quotas). */
export const DEFAULT_CHUNK_BYTES = 4 * MiB;

/** Names the bytes of one version of one blob: `sha256:<hex>` of the content, or hex of identity and version. */
export type BlobKey = string;

/** Names one chunk. The size is part of the name, so a change of the setting never mixes chunks. */
export interface ChunkId {
  readonly key: BlobKey;
  readonly chunkBytes: number;
  readonly index: number;
}

/** A whole chunk. `bytes` are never written to while anyone holds the chunk: everyone may share them. */
export interface Chunk {
  readonly bytes: Uint8Array;
  /**
   * Set where `bytes` are used again once nobody holds the chunk: whoever keeps it beyond the current turn
   * retains it, and releases it when done. Without it, `bytes` live as long as anyone refers to them.
   */
  readonly memory?: ChunkMemory;
  /** sha-256 of `bytes`, hex. Absent where nothing said what they had to be, and nobody checks them by it. */
  readonly sha256?: string | undefined;
}

/** The part `[from, to)` of one chunk that a read needs. */
export interface Slice {
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/** The slices that cover a span, in order; made as they are asked for, since a span may be petabytes. */
export function* planRead(span: Span, chunkBytes: number): Generator<Slice, void, undefined> {
  for (let at = span.start; at < span.end; ) {
    const index = Math.floor(at / chunkBytes);
    const base = index * chunkBytes;
    const to = Math.min(span.end - base, chunkBytes);
    yield { index, from: at - base, to };
    at = base + to;
  }
}

/** The bytes of the blob that chunk `index` holds; the last chunk ends with the blob. */
export function chunkSpan(index: number, chunkBytes: number, size: number): Span {
  return { start: index * chunkBytes, end: Math.min(size, (index + 1) * chunkBytes) };
}

/** How many chunks a blob has; an empty blob has none. */
export const countChunks = (size: number, chunkBytes: number): number => Math.ceil(size / chunkBytes);
