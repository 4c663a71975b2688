import type { Chunk, ChunkId } from '../blob/chunk.ts';
import type { BlobFacts } from '../blob/facts.ts';
import type { AccessRecord, ChunkStore, Extent, Located } from '../blob/store.ts';
import { P2PError } from '../protocol/errors.ts';
import type { Recency } from './recency.ts';

/** Where is kept how lately blobs were used. */
export interface Marks {
  readonly used: Pick<Recency, 'isMarked' | 'used'>;
  readonly lent: Pick<Recency, 'used'>;
}

type Inner = ChunkStore & { touched?(id: ChunkId): void };

/**
 * A root's store, with the blobs marked that are in use. What is read here is read whether it can be marked or not;
 * what others are sent to is marked first, so that it stays for as long as they may read it.
 */
export class UsedStore implements ChunkStore {
  readonly name: string;
  readonly locate?: (id: ChunkId) => Promise<Located | undefined>;
  readonly has?: (id: ChunkId) => Promise<boolean>;
  readonly #inner: Inner;
  readonly #marks: Marks;
  readonly #marking = new Set<Promise<void>>();

  /** `lent` is told the bytes of each chunk that others are sent to. */
  constructor(inner: Inner, marks: Marks, lent: (bytes: number) => void) {
    this.#inner = inner;
    this.#marks = marks;
    this.name = inner.name;
    const has = inner.has?.bind(inner);
    if (has !== undefined) this.has = has;
    const locate = inner.locate?.bind(inner);
    if (locate !== undefined) {
      this.locate = async (id) => {
        await marks.lent.used(id.key).catch((cause: unknown) => {
          throw new P2PError('STORE_READ_FAILED', `cannot mark ${id.key} as lent`, { cause });
        });
        const located = await locate(id);
        if (located !== undefined) lent(located.length);
        return located;
      };
    }
  }

  peek(id: ChunkId): Chunk | undefined {
    return this.#inner.peek(id);
  }

  async read(id: ChunkId): Promise<Chunk | undefined> {
    const marking = this.#mark(id);
    const chunk = await this.#inner.read(id);
    // A function freezes when it has answered.
    if (chunk !== undefined) await marking;
    return chunk;
  }

  async extent(id: ChunkId, asFile?: boolean): Promise<Extent | undefined> {
    const extent = await this.#inner.extent(id, asFile);
    if (extent !== undefined) this.#used(id);
    return extent;
  }

  write(id: ChunkId, chunk: Chunk): Promise<void> {
    return this.#inner.write(id, chunk);
  }

  readFacts(addressKey: string): Promise<BlobFacts | undefined> {
    return this.#inner.readFacts(addressKey);
  }

  writeFacts(addressKey: string, facts: BlobFacts): Promise<void> {
    return this.#inner.writeFacts(addressKey, facts);
  }

  readAccess(key: string): Promise<AccessRecord | undefined> {
    return this.#inner.readAccess(key);
  }

  writeAccess(key: string, record: AccessRecord): Promise<void> {
    return this.#inner.writeAccess(key, record);
  }

  remove(key: string): Promise<void> {
    return this.#inner.remove(key);
  }

  /** Tells that a chunk was served from a faster store, so that it does not look unused here. */
  touched(id: ChunkId): void {
    this.#inner.touched?.(id);
    this.#used(id);
  }

  async close(): Promise<void> {
    await Promise.all(this.#marking);
    await this.#inner.close();
  }

  #used(id: ChunkId): void {
    if (!this.#marks.used.isMarked(id.key)) void this.#mark(id);
  }

  /** Never fails: recency that is not kept makes a blob look older than it is, nothing else. */
  #mark({ key }: ChunkId): Promise<void> {
    const marking: Promise<void> = this.#marks.used
      .used(key)
      .catch(() => {})
      .finally(() => this.#marking.delete(marking));
    this.#marking.add(marking);
    return marking;
  }
}
