import type { Line } from './line.ts';

// Where the origin takes longer, or gives nothing, it is no better than what was left for it, and none is left for so long; twice as long
// each time in a row.
const REST_MS = 30_000;
const MAX_REST_MS = 600_000;
// Who may leave and has not been there by then never will: it has found what it needs elsewhere.
const HELD_MS = 60_000;

/**
 * Leaves what is slow, and not silent, for the origin: by one request at a time, for when it is this node's link that is
 * slow, or the origin itself, or all that have much to do, none would fare better.
 */
export class Straying {
  readonly #now: () => number;
  /** What has left a slow source for the origin, and is still on its way from there; and what is late for it. */
  #line: Line | undefined;
  #lateMs = 0;
  #begunMs = 0;
  #restMs = REST_MS;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  /** `now` is milliseconds of a clock that nobody sets. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a request may leave now, which it then does, for an origin that is worth it within `lateMs`. */
  begin(line: Line, lateMs: number): boolean {
    const nowMs = this.#now();
    const isHeld = this.#line !== undefined && nowMs - this.#begunMs < HELD_MS;
    if (isHeld || nowMs < this.#notBeforeMs) return false;
    this.#line = line;
    this.#begunMs = nowMs;
    this.#lateMs = lateMs;
    return true;
  }

  /**
   * Notes that the origin, asked at `startedMs`, has given all that it was to give, or that others were sooner or it has
   * failed; of another request it is nothing.
   */
  returned(line: Line, startedMs: number, hasGiven: boolean): void {
    if (this.#line !== line) return;
    this.#line = undefined;
    const nowMs = this.#now();
    if (hasGiven && nowMs - startedMs <= this.#lateMs) {
      this.#restMs = REST_MS;
      return;
    }
    this.#notBeforeMs = nowMs + this.#restMs;
    this.#restMs = Math.min(MAX_REST_MS, 2 * this.#restMs);
  }
}
