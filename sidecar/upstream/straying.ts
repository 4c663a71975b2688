import { ExpiringMap } from '../../functions/service/expiring-map.ts';
import type { Line } from './line.ts';

// Where the origin takes longer, or gives nothing, it is no better than what was left for it, and none is left for so long; twice as long
// each time in a row.
const REST_MS = 30_000;
const MAX_REST_MS = 600_000;
// Who may leave and has not been there by then never will: it has found what it needs elsewhere.
const HELD_MS = 60_000;
// Who brought all of something so lately is at work on what others have asked for before, over a link that is full.
const BROUGHT_MS = 6_000;
const MOST_BRINGING = 100;

/**
 * Leaves what is slow, and not silent, for the origin: by one request at a time, for when it is this node's link that is
 * slow, or the origin itself, or all that have much to do, none would fare better.
 */
export class Straying {
  readonly #now: () => number;
  readonly #bringing: ExpiringMap<true>;
  /** What has left a slow source for the origin, and is still on its way from there; and what is late for it. */
  #line: Line | undefined;
  #lateMs = 0;
  #begunMs = 0;
  #restMs = REST_MS;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  /** `now` is milliseconds of a clock that nobody sets. */
  constructor(now: () => number) {
    this.#now = now;
    this.#bringing = new ExpiringMap({ max: MOST_BRINGING, ttlMs: BROUGHT_MS, now });
  }

  /** Notes that a root has brought a whole chunk, or the rest of one. */
  brought(name: string): void {
    this.#bringing.set(name, true);
  }

  /**
   * Whether a request may leave now, which it then does, for an origin that is worth it within `lateMs`; where `waitedFor`
   * brings other chunks meanwhile, it may not.
   */
  begin(line: Line, lateMs: number, waitedFor?: string): boolean {
    if (waitedFor !== undefined && this.#bringing.get(waitedFor)) return false;
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
