import { type Chunk, type ChunkId, chunkSpan } from './chunk.ts';
import type { ReaderEvents } from './events.ts';
import type { BlobFacts } from './facts.ts';
import { sha256Hex } from './hash.ts';
import type { ChunkStore, Extent } from './store.ts';

/**
 * Chunks being written to the store at one time, where nothing else is said; beyond it fills wait, so that a slow disk
 * slows the download instead of filling the memory.
 */
export const MOST_KEEPING = 32;

/** A chunk as it has to be. */
export interface WantedChunk {
  readonly id: ChunkId;
  /** Bytes. */
  readonly length: number;
  /** sha-256 in hex, where that is known. */
  readonly expected: string | undefined;
}

/** The chunk of a blob at an index. */
export function wantedOf({ key, chunkBytes, size, digest, sealed }: BlobFacts, index: number): WantedChunk {
  const span = chunkSpan(index, chunkBytes, size);
  const length = span.end - span.start;
  const whole = length === size ? digest?.slice('sha256:'.length) : undefined;
  return { id: { key, chunkBytes, index }, length, expected: sealed?.[index] ?? whole };
}

/** The store as a fleet uses it: what it has is held against what is wanted, and what fails is a miss. */
export class StoredChunks {
  readonly name: string;
  readonly #store: ChunkStore;
  readonly #events: Pick<ReaderEvents, 'failed'>;
  readonly #sumsAll: boolean;
  readonly #most: number;
  readonly #keeping = new Set<Promise<boolean>>();

  /** With `sumsAll` every chunk is given with its sha-256, those included that are kept without one. */
  constructor(
    store: ChunkStore,
    events: Pick<ReaderEvents, 'failed'>,
    sumsAll: boolean,
    most = MOST_KEEPING,
  ) {
    this.#sumsAll = sumsAll;
    this.#most = most;
    this.name = store.name;
    this.#store = store;
    this.#events = events;
  }

  /** The chunk, when it can be had without waiting. */
  peek(wanted: WantedChunk): Chunk | undefined {
    const chunk = this.#store.peek(wanted.id);
    return chunk !== undefined && fits(chunk, wanted) && this.#isSummed(chunk) ? chunk : undefined;
  }

  /** The chunk, to be read in part from where it is. */
  async extent({ id, length, expected }: WantedChunk, asFile: boolean): Promise<Extent | undefined> {
    const extent = await this.#store.extent(id, asFile).catch((cause: unknown) => {
      this.#events.failed('store_read_failed', { ...id, cause });
      return undefined;
    });
    return this.#fitting(extent, { length, expected });
  }

  /** What `extent` gives, when that can be had without waiting. */
  peekExtent(wanted: WantedChunk): Extent | undefined {
    return this.#fitting(this.#store.peekExtent?.(wanted.id), wanted);
  }

  async read(wanted: WantedChunk): Promise<Chunk | undefined> {
    const chunk = await this.#store.read(wanted.id).catch((cause: unknown) => {
      this.#events.failed('store_read_failed', { ...wanted.id, cause });
      return undefined;
    });
    if (chunk === undefined) return undefined;
    if (fits(chunk, wanted))
      return this.#isSummed(chunk) ? chunk : { ...chunk, sha256: await sha256Hex(chunk.bytes) };
    this.#events.failed('chunk_corrupt', { ...wanted.id, from: this.#store.name });
    return undefined;
  }

  #fitting(
    extent: Extent | undefined,
    { length, expected }: Pick<WantedChunk, 'length' | 'expected'>,
  ): Extent | undefined {
    if (extent === undefined || !this.#isSummed(extent)) return undefined;
    return extent.length === length && (expected ?? extent.sha256) === extent.sha256 ? extent : undefined;
  }

  #isSummed({ sha256 }: { readonly sha256?: string | undefined }): boolean {
    return !this.#sumsAll || sha256 !== undefined;
  }

  /** Resolves when another chunk may be kept. */
  async room(): Promise<void> {
    while (this.#keeping.size >= this.#most) await Promise.race(this.#keeping);
  }

  /** Resolves to true when the chunk was kept; a store that failed may still be looking at the bytes. */
  keep(id: ChunkId, chunk: Chunk): Promise<boolean> {
    const keeping = this.#store
      .write(id, chunk)
      .then(
        () => true,
        (cause: unknown) => {
          this.#events.failed('store_write_failed', { ...id, cause });
          return false;
        },
      )
      .finally(() => this.#keeping.delete(keeping));
    this.#keeping.add(keeping);
    return keeping;
  }
}

const fits = ({ bytes, sha256 }: Chunk, { length, expected }: WantedChunk): boolean =>
  bytes.length === length && (expected === undefined || sha256 === expected);
