const MAX_SAMPLES = 128;

/** The last 128 samples of a measure. */
export class Recent {
  /** The oldest is overwritten first. */
  readonly #samples: number[] = [];
  readonly #enough: number;
  #next = 0;
  #sorted: number[] | undefined;

  /** Fewer than `enough` samples tell nothing. */
  constructor(enough: number) {
    this.#enough = enough;
  }

  add(sample: number): void {
    this.#samples[this.#next] = sample;
    this.#next = (this.#next + 1) % MAX_SAMPLES;
    this.#sorted = undefined;
  }

  /** What 19 of 20 do not exceed; `undefined` until there are enough. */
  get p95(): number | undefined {
    return this.#quantile(0.95);
  }

  /** What half of them do not exceed, whatever the others are like; `undefined` until there are enough. */
  get median(): number | undefined {
    return this.#quantile(0.5);
  }

  #quantile(share: number): number | undefined {
    if (this.#samples.length < this.#enough) return undefined;
    this.#sorted ??= [...this.#samples].sort((a, b) => a - b);
    return this.#sorted[Math.ceil(this.#sorted.length * share) - 1];
  }
}
