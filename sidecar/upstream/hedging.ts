import { Recent } from '../../functions/service/recent.ts';

// A neighbour that is well answers sooner, or says within half a second of whoever it asks that it is getting it. Whoever is
// asked beside it asks a root for the same: one in twenty, of each of many agents, would have that send the blob twice.
const MIN_MS = 1_000;
const MAX_MS = 2_000;
const ENOUGH_SAMPLES = 20;
// When all are slow at once, asking twice makes it worse: at most one request in ten, and some in a row.
const EARNED = 0.1;
const MAX_SAVED = 10;

/**
 * When to stop waiting for one node alone and ask another beside it: after the time in which 19 of 20 answer
 * (Dean and Barroso, The Tail at Scale, 2013), as long as not many had to be asked twice of late.
 */
export class Hedging {
  /** Times to the first byte. */
  readonly #times = new Recent(ENOUGH_SAMPLES);
  #saved = MAX_SAVED;

  /** How long to wait before another is asked too, milliseconds. */
  get afterMs(): number {
    return Math.min(MAX_MS, Math.max(MIN_MS, this.#times.p95 ?? 0));
  }

  /** Notes that a node was asked, and how long its first byte took, or has not come in. */
  took(ms: number): void {
    this.#times.add(ms);
    this.asked();
  }

  /** Notes that a node was asked, where it does not matter how long it takes. */
  asked(): void {
    this.#saved = Math.min(MAX_SAVED, this.#saved + EARNED);
  }

  /** True when another may be asked now; that is then noted. */
  spend(): boolean {
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }
}
