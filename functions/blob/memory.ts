import { LRUCache } from 'lru-cache';
import { type Chunk, type ChunkId, KiB, MiB } from './chunk.ts';
import { type BlobFacts, factsBytes } from './facts.ts';
import type { AccessRecord, ChunkStore } from './store.ts';

// What an entry costs beyond its bytes: the map's slot, the name, the buffer's header.
const ENTRY_OVERHEAD_BYTES = KiB;
const MAX_FACTS_BYTES = 64 * MiB;
// As a size, for which no list of so many slots is made ahead: four such took a cold start 50 ms.
const MAX_ACCESS_RECORDS = 100_000;

/** Whole chunks in memory, least recently used out first; never more than `maxBytes` of them. */
export class MemoryStore implements ChunkStore {
  readonly name = 'memory';
  readonly #chunks: LRUCache<string, Chunk>;
  readonly #facts = new LRUCache<string, BlobFacts>({
    maxSize: MAX_FACTS_BYTES,
    sizeCalculation: factsBytes,
  });
  readonly #access = new LRUCache<string, AccessRecord>({
    maxSize: MAX_ACCESS_RECORDS,
    sizeCalculation: () => 1,
  });
  readonly #keys = new Map<string, Set<string>>();

  constructor({ maxBytes }: { readonly maxBytes: number }) {
    this.#chunks = new LRUCache({
      maxSize: Math.max(1, maxBytes),
      sizeCalculation: (chunk) => chunk.bytes.length + ENTRY_OVERHEAD_BYTES,
      dispose: (chunk, name, reason) => {
        chunk.memory?.release();
        if (reason !== 'set') this.#forgetName(name);
      },
    });
  }

  /** Bytes held, overhead counted. */
  get bytes(): number {
    return this.#chunks.calculatedSize;
  }

  peek(id: ChunkId): Chunk | undefined {
    return this.#chunks.get(nameOf(id));
  }

  async read(id: ChunkId): Promise<Chunk | undefined> {
    const chunk = this.peek(id);
    if (chunk?.memory === undefined) return chunk;
    // What is used again could be by the time the caller sees it; `peek` is the way without a copy.
    return { bytes: Uint8Array.from(chunk.bytes), sha256: chunk.sha256 };
  }

  async extent(): Promise<undefined> {
    return undefined;
  }

  /** True while a chunk of `bytes` fits without another having to go. */
  hasRoom(bytes: number): boolean {
    return this.#chunks.calculatedSize + bytes + ENTRY_OVERHEAD_BYTES <= this.#chunks.maxSize;
  }

  async write(id: ChunkId, chunk: Chunk): Promise<void> {
    const name = nameOf(id);
    // Held before the cache may let go of it again.
    chunk.memory?.retain();
    this.#chunks.set(name, chunk);
    if (this.#chunks.peek(name) !== chunk) {
      chunk.memory?.release();
      return;
    }
    const names = this.#keys.get(id.key) ?? new Set();
    this.#keys.set(id.key, names.add(name));
  }

  async readFacts(addressKey: string): Promise<BlobFacts | undefined> {
    return this.#facts.get(addressKey);
  }

  async writeFacts(addressKey: string, facts: BlobFacts): Promise<void> {
    this.#facts.set(addressKey, facts);
  }

  async readAccess(key: string): Promise<AccessRecord | undefined> {
    return this.#access.get(key);
  }

  async writeAccess(key: string, record: AccessRecord): Promise<void> {
    this.#access.set(key, record);
  }

  async remove(key: string): Promise<void> {
    for (const name of [...(this.#keys.get(key) ?? [])]) this.#chunks.delete(name);
    this.#facts.delete(key);
    this.#access.delete(key);
  }

  async close(): Promise<void> {
    this.#chunks.clear();
    this.#facts.clear();
    this.#access.clear();
  }

  #forgetName(name: string): void {
    const key = name.slice(0, name.indexOf('/'));
    const names = this.#keys.get(key);
    names?.delete(name);
    if (names?.size === 0) this.#keys.delete(key);
  }
}

const nameOf = ({ key, chunkBytes, index }: ChunkId): string => `${key}/${chunkBytes}/${index}`;
