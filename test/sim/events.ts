import FlatQueue from 'flatqueue';

/** What is to happen, in order of time; at the same time in an order that is the same in each run. */
export class Events {
  /** Milliseconds since the start. */
  nowMs = 0;
  readonly #queue = new FlatQueue<() => void>();

  /** The time of the next one; infinite when there is none. */
  get nextMs(): number {
    return this.#queue.peekValue() ?? Number.POSITIVE_INFINITY;
  }

  after(delayMs: number, happen: () => void): void {
    this.#queue.push(happen, this.nowMs + delayMs);
  }

  /** Has all happen that is due by then, and moves the time on to it. */
  runUntil(ms: number): void {
    while (this.nextMs <= ms) {
      this.nowMs = this.nextMs;
      this.#queue.pop()?.();
    }
    this.nowMs = ms;
  }
}
