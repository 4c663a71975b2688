import { KiB } from '../blob/chunk.ts';

// So much is worth a read. At a few KiB each, as a link of 200 Mbit brings for several transfers at once, what is done
// for a read costs three times what the bytes do.
const WORTH_BYTES = 64 * KiB;
const ROUND_MS = 40;
// What a byte is held up by at most is so many rounds. It is also what has to fit into the kernel meanwhile, beside what comes
// faster than before.
const MOST_ROUNDS = 4;
// What takes less than this to gather is not waited for: a round would be many times as long, and the sender would wait.
const MIN_WAIT_MS = ROUND_MS / 4;

/** When a slow connection is best read again: once so much has gathered in the kernel that it is worth it. */
export class ReadPace {
  #lastMs: number | undefined;

  /**
   * How many rounds to wait after a read that brought so many bytes and left so many to come; 0 when it is better to read
   * on at once.
   */
  rounds(bytes: number, missing: number, nowMs: number): number {
    const sinceMs = nowMs - (this.#lastMs ?? nowMs);
    this.#lastMs = nowMs;
    // It may be all that the kernel holds: of a fast link too, which a wait after each would keep as slow for good.
    if (bytes >= WORTH_BYTES / 2) return 0;
    // As long as the last one took to bring so much, or the rest.
    const waitMs = (Math.min(WORTH_BYTES, missing) / bytes) * sinceMs;
    if (waitMs < MIN_WAIT_MS) return 0;
    let rounds = 1;
    while (rounds < MOST_ROUNDS && 2 * rounds * ROUND_MS <= waitMs) rounds *= 2;
    return rounds;
  }
}

/** Connections that wait are read on together, in rounds: waking up costs as much as reading does. */
export class ReadRounds {
  readonly #roundMs: number;
  /** By who waits, the round that it waits for. */
  readonly #waiting = new Map<() => void, number>();
  #timer: NodeJS.Timeout | undefined;
  #round = 0;

  constructor(roundMs = ROUND_MS) {
    this.#roundMs = roundMs;
  }

  /** Has `read` called in the next round whose number is a multiple of `every`: in `every` rounds at the latest. */
  join(read: () => void, every = 1): void {
    this.#waiting.set(read, this.#round - (this.#round % every) + every);
    this.#timer ??= setTimeout(() => this.#begin(), this.#roundMs);
  }

  leave(read: () => void): void {
    this.#waiting.delete(read);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #begin(): void {
    this.#round += 1;
    const due: (() => void)[] = [];
    for (const [read, round] of this.#waiting) if (round <= this.#round) due.push(read);
    for (const read of due) this.#waiting.delete(read);
    this.#timer = this.#waiting.size === 0 ? undefined : setTimeout(() => this.#begin(), this.#roundMs);
    for (const read of due) read();
  }
}
