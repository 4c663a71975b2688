// Words come about every second: whoever comes between two is told at once.
const FRESH_MS = 1_500;

/** Passes on to all who wait for something each word that somebody who can be waited for is getting it. */
export class Hearing {
  readonly #listeners = new Set<() => void>();
  #heardMs = Number.NEGATIVE_INFINITY;

  heard(): void {
    this.#heardMs = performance.now();
    for (const listener of this.#listeners) listener();
  }

  /** What `work` comes to, with each word told to the listener, if any, until then. */
  async during<T>(work: Promise<T>, listener: (() => void) | undefined): Promise<T> {
    if (listener === undefined) return work;
    // One listener may wait for several things.
    const own = () => listener();
    this.#listeners.add(own);
    if (performance.now() - this.#heardMs < FRESH_MS) own();
    try {
      return await work;
    } finally {
      this.#listeners.delete(own);
    }
  }
}
