import type { Chunk, ChunkId } from './chunk.ts';
import type { BlobFacts } from './facts.ts';
import type { MemoryStore } from './memory.ts';
import type { AccessRecord, ChunkStore, Extent } from './store.ts';

/**
 * Memory before a durable store. A chunk found below is kept in memory too while there is room, and is served
 * from below when there is none: a long scan does not push out what is hot. A hit in memory is told below with
 * `touched`, so that it does not look cold there.
 */
export class TieredStore implements ChunkStore {
  readonly name: string;
  readonly #fast: MemoryStore;
  readonly #durable: ChunkStore & { touched?(id: ChunkId): void };

  constructor(fast: MemoryStore, durable: ChunkStore & { touched?(id: ChunkId): void }) {
    this.#fast = fast;
    this.#durable = durable;
    this.name = durable.name;
  }

  peek(id: ChunkId): Chunk | undefined {
    const chunk = this.#fast.peek(id);
    if (chunk !== undefined) this.#durable.touched?.(id);
    return chunk ?? this.#durable.peek(id);
  }

  async read(id: ChunkId): Promise<Chunk | undefined> {
    const above = await this.#fast.read(id);
    if (above !== undefined) return above;
    const below = await this.#durable.read(id);
    if (below !== undefined) await this.#fast.write(id, below);
    return below;
  }

  async extent(id: ChunkId, asFile = false): Promise<Extent | undefined> {
    return !asFile && this.#fast.hasRoom(id.chunkBytes) ? undefined : this.#durable.extent(id, asFile);
  }

  peekExtent(id: ChunkId): Extent | undefined {
    return this.#fast.hasRoom(id.chunkBytes) ? undefined : this.#durable.peekExtent?.(id);
  }

  async write(id: ChunkId, chunk: Chunk): Promise<void> {
    await this.#fast.write(id, chunk);
    await this.#durable.write(id, chunk);
  }

  readFacts(addressKey: string): Promise<BlobFacts | undefined> {
    return this.#durable.readFacts(addressKey);
  }

  writeFacts(addressKey: string, facts: BlobFacts): Promise<void> {
    return this.#durable.writeFacts(addressKey, facts);
  }

  readAccess(key: string): Promise<AccessRecord | undefined> {
    return this.#durable.readAccess(key);
  }

  writeAccess(key: string, record: AccessRecord): Promise<void> {
    return this.#durable.writeAccess(key, record);
  }

  async remove(key: string): Promise<void> {
    await this.#fast.remove(key);
    await this.#durable.remove(key);
  }

  async close(): Promise<void> {
    await this.#fast.close();
    await this.#durable.close();
  }
}
