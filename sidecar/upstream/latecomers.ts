// What packets were lost in, or waited in, is over by then.
const TOGETHER_MS = 1_000;

/**
 * Tells a node that is late from a node that hears all of them late: when several are late at once, it is the link of
 * whoever waits for them, or that one has too much to do.
 */
export class Latecomers {
  readonly #now: () => number;
  /** When each was late last, of those that were a moment ago. */
  readonly #lateMs = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes that a node is late; true when no other was a moment ago. */
  isAlone(node: string): boolean {
    const nowMs = this.#now();
    for (const [other, ms] of this.#lateMs) if (nowMs - ms >= TOGETHER_MS) this.#lateMs.delete(other);
    const others = this.#lateMs.size - (this.#lateMs.has(node) ? 1 : 0);
    this.#lateMs.set(node, nowMs);
    return others === 0;
  }
}
