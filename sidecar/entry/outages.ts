import { LRUCache } from 'lru-cache';

// Where a registry hangs, not every request of a pull has to find out by waiting.
const AWAY_MS = 5_000;

/** Which registries could not be reached a moment ago. */
export class Outages {
  readonly #now: () => number;
  readonly #untilMs = new LRUCache<string, number>({ max: 1000 });

  constructor(now: () => number) {
    this.#now = now;
  }

  /** True for some seconds after an origin could not be reached. */
  has(origin: string): boolean {
    return this.#now() < (this.#untilMs.get(origin) ?? 0);
  }

  began(origin: string): void {
    this.#untilMs.set(origin, this.#now() + AWAY_MS);
  }

  ended(origin: string): void {
    this.#untilMs.delete(origin);
  }
}
