import type { Line } from './line.ts';

// Where the origin takes longer for the rest of a chunk it is no better than what was left for it, and none is left for so
// long.
const LATE_MS = 2_000;
const REST_MS = 30_000;

/**
 * Leaves what is slow, and not silent, for the origin: by one request at a time, for when it is this node's link that is
 * slow, or the origin itself, none would fare better.
 */
export class Straying {
  readonly #now: () => number;
  /** What has left a slow source for the origin, and is still on its way from there. */
  #line: Line | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  /** `now` is milliseconds of a clock that nobody sets. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a request may leave now; it then does. */
  begin(line: Line): boolean {
    if (this.#line !== undefined || this.#now() < this.#notBeforeMs) return false;
    this.#line = line;
    return true;
  }

  /** Notes that the origin, asked at `startedMs`, has given what it was to give; of another request it is nothing. */
  returned(line: Line, startedMs: number): void {
    if (this.#line !== line) return;
    this.#line = undefined;
    const nowMs = this.#now();
    if (nowMs - startedMs > LATE_MS) this.#notBeforeMs = nowMs + REST_MS;
  }
}
