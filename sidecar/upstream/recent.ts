const MAX_SAMPLES = 128;
const QUANTILE = 0.95;

/** The last 128 samples of a measure. */
export class Recent {
  /** The oldest is overwritten first. */
  readonly #samples: number[] = [];
  readonly #enough: number;
  #next = 0;
  #p95: number | undefined;

  /** Fewer than `enough` samples tell nothing. */
  constructor(enough: number) {
    this.#enough = enough;
  }

  add(sample: number): void {
    this.#samples[this.#next] = sample;
    this.#next = (this.#next + 1) % MAX_SAMPLES;
    this.#p95 = undefined;
  }

  /** What 19 of 20 do not exceed; `undefined` until there are enough. */
  get p95(): number | undefined {
    if (this.#samples.length < this.#enough) return undefined;
    if (this.#p95 === undefined) {
      const sorted = [...this.#samples].sort((a, b) => a - b);
      this.#p95 = sorted[Math.ceil(sorted.length * QUANTILE) - 1];
    }
    return this.#p95;
  }
}
