import type { Shelf } from './shelf.ts';

const NAME = 'lease/awaited';
const TOLD_MS = 2_000;
// Two of its tellings may fail.
const FRESH_MS = 6_000;

/** What a process tells the others over its store that it waits for one of them: they hold nothing back then. */
export class Awaited {
  readonly #shelf: Pick<Shelf, 'mark' | 'ageOf'>;
  readonly #now: () => number;
  readonly #failed: (cause: unknown) => void;
  #toldMs = Number.NEGATIVE_INFINITY;

  /** `now` is a clock that nobody sets. */
  constructor(shelf: Pick<Shelf, 'mark' | 'ageOf'>, now: () => number, failed: (cause: unknown) => void) {
    this.#shelf = shelf;
    this.#now = now;
    this.#failed = failed;
  }

  /** Tells that this process waits; to be called again and again as long as it does. */
  tell(): void {
    const nowMs = this.#now();
    if (nowMs - this.#toldMs < TOLD_MS) return;
    this.#toldMs = nowMs;
    this.#shelf.mark(NAME).catch(this.#failed);
  }

  /** Whether some process has told so of late. */
  async isTold(): Promise<boolean> {
    const ageMs = await this.#shelf.ageOf(NAME);
    return ageMs !== undefined && ageMs < FRESH_MS;
  }
}
