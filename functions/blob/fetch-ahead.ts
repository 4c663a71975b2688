import type { Span } from '../protocol/range.ts';
import type { Ask } from './ask.ts';
import type { ChunkSource } from './chunk-source.ts';
import type { BlobFacts } from './facts.ts';
import { aheadOf } from './look-ahead.ts';

/**
 * Has chunks fetched into the cache ahead of one reader. They are not held here: a client that does not read on pins one
 * chunk, not all those ahead of it, and a fetch that fails ahead of time is simply made again.
 */
export class FetchAhead {
  readonly #reader: ChunkSource;
  readonly #ask: Ask;
  readonly #facts: BlobFacts;
  readonly #last: number;
  #window: number;
  /** The chunk that the reader waits for, while it does. */
  #awaited: number | undefined;
  readonly #askedFor = new Set<number>();
  /** Those asked for that had not landed when last looked at. */
  #coming: number[] = [];

  constructor(reader: ChunkSource, ask: Ask, facts: BlobFacts, span: Span) {
    this.#reader = reader;
    this.#ask = ask;
    this.#facts = facts;
    this.#window = Math.min(1, reader.lookAhead.perRead);
    this.#last = Math.ceil(span.end / facts.chunkBytes) - 1;
  }

  /** Grows like a TCP window: a short read asks for little beyond it, a long one soon keeps the link full. */
  widen(): void {
    this.#window = Math.min(this.#reader.lookAhead.perRead, this.#window + 1);
  }

  /** Asks for what is next after the chunk that the reader is at; `asFile` as in `ChunkSource.extent`. */
  of(index: number, asFile = false): void {
    this.#fetch(index, false, asFile);
  }

  /** The wait for a chunk; what has come ahead of it meanwhile makes room for more. */
  async whileLate<T>(index: number, wait: Promise<T>): Promise<T> {
    this.#awaited = index;
    try {
      return await wait;
    } finally {
      this.#awaited = undefined;
    }
  }

  #fetch(index: number, isLate: boolean, asFile: boolean): void {
    // One transfer to a range-ignoring origin serves in order: asking ahead would only disorder it.
    if (this.#facts.rangeless) return;
    // Chunks asked for together share the link and land together: the next is asked for as soon as one lands,
    // not when the reader gets there, or the link would idle in between.
    const most = this.#most();
    const to = Math.min(this.#last, index + 2 * most);
    const { beyondLate = 0 } = this.#reader.lookAhead;
    this.#coming = this.#coming.filter(
      (ahead) => ahead > index && !this.#reader.hasLanded(this.#facts, ahead),
    );
    this.#fetchOf(index, to, most, asFile);
    if (isLate) this.#fetchOf(to, Math.min(this.#last, index + beyondLate), most, asFile);
  }

  /** How many may be on their way. */
  #most(): number {
    const { perRead, spare } = this.#reader.lookAhead;
    return spare !== undefined && this.#window === perRead && spare.hasRoom() ? spare.perRead : this.#window;
  }

  /** Has those fetched that were not asked for yet, as long as fewer than `most` are on their way. */
  #fetchOf(after: number, to: number, most: number, asFile: boolean): void {
    if (this.#coming.length >= most) return;
    for (const next of aheadOf(after, to, this.#reader.lookAhead)) {
      if (this.#askedFor.has(next)) continue;
      if (!this.#reader.ahead(this.#ask, this.#facts, next, asFile, this.#ended)) return;
      this.#askedFor.add(next);
      this.#coming.push(next);
      if (this.#coming.length >= most) return;
    }
  }

  readonly #ended = (): void => {
    if (this.#awaited !== undefined) this.#fetch(this.#awaited, true, false);
  };
}
