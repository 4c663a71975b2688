import type { Chunk, ChunkId } from '../../functions/blob/chunk.ts';
import type { BlobFacts } from '../../functions/blob/facts.ts';
import type { AccessRecord, ChunkStore, Extent } from '../../functions/blob/store.ts';
import { P2PError } from '../../functions/protocol/errors.ts';

/** What a store does wrong; can be changed while it is in use. */
export interface Flaws {
  reads?: boolean;
  writes?: boolean;
  /** Waited for before facts are looked up. */
  beforeFacts?: () => Promise<void>;
}

/** A store before another that fails to order, as a failing disk does. */
export class FlawedStore implements ChunkStore {
  readonly name = 'flawed';
  readonly flaws: Flaws;
  readonly #store: ChunkStore;

  constructor(store: ChunkStore, flaws: Flaws) {
    this.#store = store;
    this.flaws = flaws;
  }

  peek(id: ChunkId): Chunk | undefined {
    return this.flaws.reads ? undefined : this.#store.peek(id);
  }

  async read(id: ChunkId): Promise<Chunk | undefined> {
    this.#failRead();
    return this.#store.read(id);
  }

  async extent(id: ChunkId): Promise<Extent | undefined> {
    this.#failRead();
    return this.#store.extent(id);
  }

  async write(id: ChunkId, chunk: Chunk): Promise<void> {
    this.#failWrite();
    await this.#store.write(id, chunk);
  }

  async readFacts(addressKey: string): Promise<BlobFacts | undefined> {
    this.#failRead();
    const facts = await this.#store.readFacts(addressKey);
    await this.flaws.beforeFacts?.();
    return facts;
  }

  async writeFacts(addressKey: string, facts: BlobFacts): Promise<void> {
    this.#failWrite();
    await this.#store.writeFacts(addressKey, facts);
  }

  async readAccess(key: string): Promise<AccessRecord | undefined> {
    this.#failRead();
    return this.#store.readAccess(key);
  }

  async writeAccess(key: string, record: AccessRecord): Promise<void> {
    this.#failWrite();
    await this.#store.writeAccess(key, record);
  }

  async remove(key: string): Promise<void> {
    this.#failWrite();
    await this.#store.remove(key);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #failRead(): void {
    if (this.flaws.reads) throw new P2PError('STORE_READ_FAILED', 'flawed on purpose');
  }

  #failWrite(): void {
    if (this.flaws.writes) throw new P2PError('STORE_WRITE_FAILED', 'flawed on purpose');
  }
}
