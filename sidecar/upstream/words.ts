import type { Word } from '../../functions/blob/upstream.ts';

/** What a source has said of its work, each word taken once. */
export class Words {
  #isFresh = false;
  #isStale = false;
  #last: Word | undefined;

  /** What was said last, if anything was. */
  get last(): Word | undefined {
    return this.#last;
  }

  /** Notes a word. */
  came(word: Word): void {
    this.#last = word;
    if (word === 'fresh') this.#isFresh = true;
    else this.#isStale = true;
  }

  /** Whether a fresh word has come since this was asked last. */
  takeFresh(): boolean {
    const isFresh = this.#isFresh;
    this.#isFresh = false;
    return isFresh;
  }

  /** Whether a stale word has come since this was asked last. */
  takeStale(): boolean {
    const isStale = this.#isStale;
    this.#isStale = false;
    return isStale;
  }
}
