import type { Source } from '../../functions/blob/upstream.ts';

/** How long sources that say nothing are borne, milliseconds. */
export interface Patience {
  /** All but the last together, or little more. */
  readonly allMs: number;
  /** Each at least. */
  readonly eachMs: number;
}

/** The last one in line is heard before a client gives up that bears ten seconds of nothing. */
export const PATIENCE: Patience = { allMs: 5_000, eachMs: 1_000 };

/** The sources of one request, each taken once, and how much of its patience is left for those that say nothing. */
export class Line {
  readonly #sources: Iterator<Source>;
  readonly #again: Source[] = [];
  readonly #eachMs: number;
  #leftMs: number;

  constructor(sources: Iterable<Source>, { allMs, eachMs }: Patience) {
    this.#sources = sources[Symbol.iterator]();
    this.#leftMs = allMs;
    this.#eachMs = eachMs;
  }

  next(): Source | undefined {
    return this.#again.shift() ?? this.#sources.next().value;
  }

  /** What `next` will give. */
  peek(): Source | undefined {
    const next = this.next();
    if (next !== undefined) this.#again.unshift(next);
    return next;
  }

  /** Has a root come next, and the siblings before it after it; `false`, and all as it was, where none comes before the origin. */
  preferRoot(): boolean {
    const passed: Source[] = [];
    let next = this.next();
    for (; next?.kind === 'sibling'; next = this.next()) passed.push(next);
    const others = next === undefined ? [] : [next];
    const isRoot = next?.kind === 'root';
    this.#again.unshift(...(isRoot ? [...others, ...passed] : [...passed, ...others]));
    return isRoot;
  }

  /** For one that has neither answered nor failed: it is as good as it was. */
  putBack(source: Source): void {
    this.#again.push(source);
  }

  /**
   * For how long the next silence is borne, whatever it costs others: half of what is left, and all of it before the
   * origin is asked, which is there to send each byte once.
   */
  shareMs(next: Source | undefined): number {
    return Math.max(this.#eachMs, next?.kind === 'origin' ? this.#leftMs : this.#leftMs / 2);
  }

  /** Notes how long one was waited for in vain. */
  waited(ms: number): void {
    this.#leftMs = Math.max(0, this.#leftMs - ms);
  }
}
