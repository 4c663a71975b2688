// Three in a row are no hiccup; after five seconds one request may try whether it is over.
const OPENS_AFTER = 3;
const OPEN_MS = 5_000;

/** Keeps a source that fails out of the way for a while (the circuit breaker pattern). */
export class Breaker {
  readonly #now: () => number;
  #failures = 0;
  #openUntilMs = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** True when the source should be passed over; once the pause is over, the next request is let through. */
  get isOpen(): boolean {
    if (this.#failures < OPENS_AFTER) return false;
    if (this.#now() < this.#openUntilMs) return true;
    // Half-open: this one tries, the others wait for what it finds; if that is never told, one more tries later.
    this.#openUntilMs = this.#now() + OPEN_MS;
    return false;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures += 1;
    this.#openUntilMs = this.#now() + OPEN_MS;
  }
}
