// A neighbour that is well answers sooner; one that has to fetch first may take longer without being ill.
const MIN_MS = 100;
const MAX_MS = 2_000;
// Until enough has been seen to tell what is slow.
const FIRST_MS = 1_000;
const ENOUGH_SAMPLES = 20;
const MAX_SAMPLES = 128;
const QUANTILE = 0.95;
// When all are slow at once, asking twice makes it worse: at most one request in ten, and some in a row.
const EARNED = 0.1;
const MAX_SAVED = 10;

/**
 * When to stop waiting for one node alone and ask another beside it: after the time in which 19 of 20 answer
 * (Dean and Barroso, The Tail at Scale, 2013), as long as not many had to be asked twice of late.
 */
export class Hedging {
  /** Times to the first byte, the oldest overwritten first. */
  readonly #samples: number[] = [];
  #next = 0;
  #afterMs: number | undefined;
  #saved = MAX_SAVED;

  /** How long to wait before another is asked too, milliseconds. */
  get afterMs(): number {
    if (this.#samples.length < ENOUGH_SAMPLES) return FIRST_MS;
    this.#afterMs ??= Math.min(MAX_MS, Math.max(MIN_MS, quantile(this.#samples)));
    return this.#afterMs;
  }

  /** Notes that a node was asked, and how long its first byte took, or has not come in. */
  took(ms: number): void {
    this.#samples[this.#next] = ms;
    this.#next = (this.#next + 1) % MAX_SAMPLES;
    this.#afterMs = undefined;
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

function quantile(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * QUANTILE) - 1] ?? FIRST_MS;
}
