import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Anonymity } from '../../protocol/grant.ts';
import type { ReaderEvents } from '../events.ts';
import type { AccessRecord, ChunkStore } from '../store.ts';

// As a size, for which no list of so many slots is made ahead: four such took a cold start 50 ms.
const MAX_KNOWN = 100_000;
// A mark that is renewed often is written seldom: a restart may lose this much of its life.
const WRITE_EVERY_MS = 60 * 60 * 1000;

/** Which rights everyone has, in memory before the store. A store that fails knows of none. */
export class PublicRights {
  readonly #store: Pick<ChunkStore, 'readAccess' | 'writeAccess' | 'remove'>;
  readonly #events: Pick<ReaderEvents, 'failed'>;
  /** `undefined` in a record is what the store does not have either. */
  readonly #known = new LRUCache<string, { record: AccessRecord | undefined; writtenUntilMs: number }>({
    maxSize: MAX_KNOWN,
    sizeCalculation: () => 1,
  });
  readonly #writing = new Set<Promise<void>>();

  constructor(
    store: Pick<ChunkStore, 'readAccess' | 'writeAccess' | 'remove'>,
    events: Pick<ReaderEvents, 'failed'>,
  ) {
    this.#store = store;
    this.#events = events;
  }

  /** What is known of a right by now, perhaps of the past. */
  peek(right: string): AccessRecord | undefined {
    return this.#known.get(right)?.record;
  }

  /** Looks into the store for what `peek` does not know. */
  async recall(right: string): Promise<void> {
    if (this.#known.has(right)) return;
    const record = await this.#store.readAccess(keyOf(right)).catch((cause: unknown) => {
      this.#events.failed('store_read_failed', { right, cause });
      return undefined;
    });
    // Whoever learned it while the store was read knows better.
    if (!this.#known.has(right))
      this.#known.set(right, { record, writtenUntilMs: record?.publicUntilMs ?? 0 });
  }

  /** Everyone has this right until then. */
  mark(right: string, publicUntilMs: number, by: Anonymity): void {
    const known = this.#known.get(right);
    const record = { publicUntilMs, by };
    const isWorthWriting = known?.record?.by !== by || publicUntilMs > known.writtenUntilMs + WRITE_EVERY_MS;
    this.#known.set(right, {
      record,
      writtenUntilMs: isWorthWriting ? publicUntilMs : known.writtenUntilMs,
    });
    if (isWorthWriting) this.#write(right, this.#store.writeAccess(keyOf(right), record));
  }

  /** Not everyone has this right any more. */
  end(right: string): void {
    this.#known.set(right, { record: undefined, writtenUntilMs: 0 });
    this.#write(right, this.#store.remove(keyOf(right)));
  }

  /** Resolves when the store has all of it. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing);
  }

  #write(right: string, work: Promise<void>): void {
    const writing: Promise<void> = work
      .catch((cause: unknown) => this.#events.failed('store_write_failed', { right, cause }))
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }
}

const keyOf = (right: string): string => createHash('sha256').update(`public\n${right}`).digest('hex');
