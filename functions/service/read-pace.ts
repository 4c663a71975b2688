import { KiB } from '../blob/chunk.ts';

// So much is worth a read. At a few KiB each, as a link of 200 Mbit brings for several transfers at once, what is done
// for a read costs three times what the bytes do.
const WORTH_BYTES = 64 * KiB;
// What a byte is held up by at most. It is also what has to fit into the kernel meanwhile: 256 KiB of a connection that waits.
const ROUND_MS = 40;
// What takes less than this to gather is not waited for: a round would be many times as long, and the sender would wait.
const MIN_WAIT_MS = ROUND_MS / 4;

/** When a slow connection is best read again: once so much has gathered in the kernel that it is worth it. */
export class ReadPace {
  #lastMs: number | undefined;

  /** Whether to wait for the next round after a read that brought so many bytes and left so many to come. */
  waits(bytes: number, missing: number, nowMs: number): boolean {
    const sinceMs = nowMs - (this.#lastMs ?? nowMs);
    this.#lastMs = nowMs;
    // It may be all that the kernel holds: of a fast link too, which a wait after each would keep as slow for good.
    if (bytes >= WORTH_BYTES / 2) return false;
    // As long as the last one took to bring so much, or the rest.
    return (Math.min(WORTH_BYTES, missing) / bytes) * sinceMs >= MIN_WAIT_MS;
  }
}

/** Connections that wait are read on together, in rounds: waking up costs as much as reading does. */
export class ReadRounds {
  readonly #roundMs: number;
  #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(roundMs = ROUND_MS) {
    this.#roundMs = roundMs;
  }

  /** Has `read` called in the next round. */
  join(read: () => void): void {
    this.#waiting.add(read);
    this.#timer ??= setTimeout(() => this.#begin(), this.#roundMs);
  }

  leave(read: () => void): void {
    this.#waiting.delete(read);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #begin(): void {
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const read of waiting) read();
  }
}
