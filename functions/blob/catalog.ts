import { LRUCache } from 'lru-cache';
import { MiB } from './chunk.ts';
import type { ReaderEvents } from './events.ts';
import { type BlobFacts, EXPIRED_MS, factsBytes } from './facts.ts';
import type { ChunkStore } from './store.ts';

// Facts are small, but a sealed blob's list of digests is not: so they are bounded by bytes, not by count.
const MAX_FACTS_BYTES = 64 * MiB;
const MAX_UNCACHEABLE = 10_000;
// An address that may not be cached is asked again for its facts only after this long.
const UNCACHEABLE_MS = 60_000;

/** What is known of each address, in memory before the store. A store that fails is a miss. */
export class Catalog {
  readonly #store: ChunkStore;
  readonly #events: ReaderEvents;
  readonly #facts = new LRUCache<string, BlobFacts>({
    maxSize: MAX_FACTS_BYTES,
    sizeCalculation: factsBytes,
  });
  readonly #uncacheable = new LRUCache<string, true>({ max: MAX_UNCACHEABLE, ttl: UNCACHEABLE_MS });

  /** Keys of blobs that were dropped; facts that the store still has of them count for nothing. */
  readonly #dropped = new LRUCache<string, true>({ max: 1000 });

  constructor(store: ChunkStore, events: ReaderEvents) {
    this.#store = store;
    this.#events = events;
  }

  /** The facts that are in memory. */
  peek(addressKey: string): BlobFacts | undefined {
    return this.#facts.get(addressKey);
  }

  /** The facts, fresh or not. */
  async find(addressKey: string): Promise<BlobFacts | undefined> {
    const known = this.#facts.get(addressKey);
    if (known !== undefined) return known;
    const kept = await this.#store.readFacts(addressKey).catch((cause: unknown) => {
      this.#events.failed('store_read_failed', { addressKey, cause });
      return undefined;
    });
    // Whoever learned them while the store was read knows better.
    const learned = this.#facts.get(addressKey);
    if (learned !== undefined) return learned;
    if (kept === undefined || this.#dropped.has(kept.key)) return undefined;
    this.#facts.set(addressKey, kept);
    return kept;
  }

  /** Looks at the store for what another process has learnt since. */
  async refresh(addressKey: string): Promise<void> {
    const kept = await this.#store.readFacts(addressKey).catch(() => undefined);
    const known = this.#facts.get(addressKey);
    const isNews = kept !== undefined && !this.#dropped.has(kept.key) && kept.key === known?.key;
    const isLater = isNews && (kept.sealed !== undefined || kept.confirmedAtMs > known.confirmedAtMs);
    if (isLater && known?.sealed === undefined) this.#facts.set(addressKey, kept);
  }

  /** Keeps facts; in memory at once, in the store when the promise settles, which it does even on failure. */
  async remember(addressKey: string, facts: BlobFacts): Promise<void> {
    this.#facts.set(addressKey, facts);
    this.#dropped.delete(facts.key);
    await this.#store.writeFacts(addressKey, facts).catch((cause: unknown) => {
      this.#events.failed('store_write_failed', { addressKey, cause });
    });
  }

  /**
   * Forgets the facts of these addresses, where they are still of the blob `key`, and removes its chunks. What
   * was forgotten is not found any more from now on, even while the store is still at work.
   */
  async forget(addressKeys: readonly string[], key: string): Promise<void> {
    this.#dropped.set(key, true);
    // By now they may be the facts of another version, learnt since.
    const stale = addressKeys.filter((name) => (this.#facts.get(name)?.key ?? key) === key);
    for (const name of stale) this.#facts.delete(name);
    for (const name of [key, ...stale]) {
      await this.#store.remove(name).catch((cause: unknown) => {
        this.#events.failed('store_write_failed', { key: name, cause });
      });
    }
  }

  /** Drops facts from memory alone: the store's are asked for when they are wanted again. */
  release(addressKey: string): void {
    this.#facts.delete(addressKey);
  }

  /** Makes facts stale, here and in the store, so that the next reader has them confirmed. */
  async expire(addressKey: string): Promise<void> {
    const known = await this.find(addressKey);
    if (known !== undefined) await this.remember(addressKey, { ...known, freshUntilMs: EXPIRED_MS });
  }

  markUncacheable(addressKey: string): void {
    this.#uncacheable.set(addressKey, true);
  }

  isUncacheable(addressKey: string): boolean {
    return this.#uncacheable.has(addressKey);
  }
}
