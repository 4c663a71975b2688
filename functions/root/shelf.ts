/** Something that is kept, as its store tells of it. */
export interface Kept {
  /** As `blob/path.ts` makes them. */
  readonly name: string;
  readonly bytes: number;
  /** How long ago it was put, by the clock of the store: 0 or more. */
  readonly ageMs: number;
}

/**
 * The port through which is looked after what a root keeps, chunk or not: everything by its name, nothing by what it
 * is. Calls fail with whatever it was.
 */
export interface Shelf {
  /** For how long after it was located a chunk may be read by who has its URL; 0 where there are no such URLs. */
  readonly lentMs: number;
  /** All that is kept below a folder, which ends in a slash, in order of names, page by page. */
  pages(folder: string): AsyncIterable<readonly Kept[]>;
  /** `undefined` for what is not there. */
  ageOf(name: string): Promise<number | undefined>;
  /** Puts a name without content, or makes it young again. */
  mark(name: string): Promise<void>;
  /**
   * Puts a name where there is none, or in place of one that was put `staleMs` ago; `false` when there is a younger one.
   * Of those who try at once one gets it, where the store keeps conditions.
   */
  claim(name: string, staleMs: number): Promise<boolean>;
  /** Removes as many as a page has, as far as they are there. */
  remove(names: readonly string[]): Promise<void>;
}
