import { KiB } from '../blob/chunk.ts';

// So much is worth a read. At a few KiB each, as a link of 200 Mbit brings for several transfers at once, what is done
// for a read costs three times what the bytes do.
const WORTH_BYTES = 64 * KiB;
// What a byte is held up by at most.
const PAUSE_MS = 20;
// Pauses shorter than this gather too little to be worth a timer.
const MIN_PAUSE_MS = 2;

/** When a slow connection is best read again: once so much has gathered in the kernel that it is worth it. */
export class ReadPace {
  #lastMs: number | undefined;

  /** How long to wait before the next read, after one that brought so many bytes and left so many to come; 0: not at all. */
  after(bytes: number, missing: number, nowMs: number): number {
    const sinceMs = nowMs - (this.#lastMs ?? nowMs);
    this.#lastMs = nowMs;
    // As long as the last one took to bring so much, or the rest.
    const worthMs = (Math.min(WORTH_BYTES, missing) / bytes) * sinceMs;
    return worthMs < MIN_PAUSE_MS ? 0 : Math.min(PAUSE_MS, Math.floor(worthMs));
  }
}
