import { LRUCache } from 'lru-cache';
import type { BlobKey } from '../blob/chunk.ts';
import { doomedPath, keyPath, markPath } from '../blob/path.ts';
import type { Shelf } from './shelf.ts';

/** A mark of use is put anew when it is so old. */
export const COOL_DOWN_MS = 60 * 60_000;
/** What is doomed for longer was left so by a crash. Whoever removes a blob is done with it in half of this. */
export const DOOMED_MS = 10 * 60_000;
// Clocks of stores tell seconds, and requests take some.
const MARGIN_MS = 60_000;
// Blobs that one process remembers to have marked.
const MAX_REMEMBERED = 100_000;

/**
 * For how long after the mark `lent` of a blob its chunks must stay where they are: when one was last handed out the
 * mark was `COOL_DOWN_MS` old or younger, and then it may be read for `lentMs`.
 */
export const protectedMs = (shelf: Pick<Shelf, 'lentMs'>): number =>
  shelf.lentMs === 0 ? 0 : minIdleMs(shelf);

/** How long a blob has to lie unused to be seen as that. */
export const minIdleMs = ({ lentMs }: Pick<Shelf, 'lentMs'>): number => COOL_DOWN_MS + lentMs + MARGIN_MS;

interface Marked {
  readonly marking: Promise<void>;
  /** Until when the mark is young enough. */
  untilMs: number;
}

/**
 * Keeps with each blob how lately it was used, to an hour. A process looks at a blob's mark once an hour while it uses
 * it, which costs two reads, and one process of all puts it anew, which costs a write: however often it is read, a blob
 * costs 24 writes a day at most, and none while nobody wants it.
 */
export class Recency {
  readonly #shelf: Shelf;
  readonly #kind: 'used' | 'lent';
  readonly #now: () => number;
  readonly #marked = new LRUCache<BlobKey, Marked>({ max: MAX_REMEMBERED });

  /** `now` is of this process alone: how old a mark is says the shelf. */
  constructor(shelf: Shelf, kind: 'used' | 'lent', now: () => number) {
    this.#shelf = shelf;
    this.#kind = kind;
    this.#now = now;
  }

  /** True while nothing is to be done about a blob that is used. */
  isMarked(key: BlobKey): boolean {
    return this.#now() < (this.#marked.get(key)?.untilMs ?? 0);
  }

  /**
   * Resolves when it is kept that a blob is in use. Who is told of its chunks from then on may read them for as long as
   * the shelf lends them: nobody removes them before.
   *
   * @throws whatever the shelf fails with, and an Error while the blob is being removed.
   */
  async used(key: BlobKey): Promise<void> {
    if (!this.isMarked(key)) this.#marked.set(key, this.#renew(key));
    await this.#marked.get(key)?.marking;
  }

  #renew(key: BlobKey): Marked {
    const marked: Marked = {
      untilMs: Number.POSITIVE_INFINITY,
      marking: this.#mark(keyPath(key)).then(
        (untilMs) => {
          marked.untilMs = untilMs;
        },
        (error: unknown) => {
          this.#marked.delete(key);
          throw error;
        },
      ),
    };
    return marked;
  }

  async #mark(folder: string): Promise<number> {
    const path = markPath(folder, this.#kind);
    const startedMs = this.#now();
    const ageMs = await this.#shelf.ageOf(path);
    const isYoung = ageMs !== undefined && ageMs < COOL_DOWN_MS;
    if (!isYoung) await this.#shelf.mark(path);
    // Whoever removes a blob dooms it, and then looks for the mark: one of the two sees the other's.
    const doomedMs = await this.#shelf.ageOf(doomedPath(folder));
    if (doomedMs !== undefined && doomedMs < DOOMED_MS) throw new Error(`${folder} is being removed`);
    return startedMs + COOL_DOWN_MS - (isYoung ? ageMs : 0);
  }
}
