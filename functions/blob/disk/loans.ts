// Beside those that a folder keeps open itself, which are as many: together half of the usual limit of a process.
const MOST_FILES = 256;

/**
 * How much of a store is on loan, each file counted once. A file that is lent takes its room on the disk even when it is
 * evicted, for as long as the slowest client takes it: so only a part of the store is lent at a time.
 */
export class Loans {
  readonly #maxBytes: number;
  #files = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Counts a file; `false`, with nothing counted, where it would be too much. One alone never is. */
  take(bytes: number): boolean {
    if (this.#files > 0 && (this.#files === MOST_FILES || this.#bytes + bytes > this.#maxBytes)) return false;
    this.#files += 1;
    this.#bytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#files -= 1;
    this.#bytes -= bytes;
  }
}
