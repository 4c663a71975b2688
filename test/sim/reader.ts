import { aheadOf } from '../../functions/blob/look-ahead.ts';

/** What a reader needs of whoever brings it chunks. */
export interface Delivery {
  /** Has a chunk come to a host; calls `landed` when all of it is there. */
  fetch(host: number, chunk: number, landed: () => void): void;
}

// As sidecar/sharing.ts sets a BlobReader up.
const LOOK_AHEAD = 8;
const FAR = 64;

/** What a host reads. */
export interface Reading {
  readonly host: number;
  readonly chunks: number;
  /** See LookAhead in functions/blob/look-ahead.ts. */
  readonly seed: number;
  readonly nodes: () => number;
}

/**
 * A client of one host that reads a blob from start to end as fast as it comes. As `FetchAhead` in
 * functions/blob/fetch-ahead.ts does, it asks for one chunk to begin with, then for a window that grows by one a chunk up to
 * the look-ahead, and for a further chunk when one lands.
 */
export class SimulatedReader {
  readonly #reading: Reading;
  readonly #delivery: Delivery;
  readonly #done: () => void;
  readonly #landed: Uint8Array;
  readonly #asked: Uint8Array;
  #at = 0;
  #coming = 0;
  #window = 1;

  constructor(reading: Reading, delivery: Delivery, done: () => void) {
    this.#reading = reading;
    this.#delivery = delivery;
    this.#done = done;
    this.#landed = new Uint8Array(reading.chunks);
    this.#asked = new Uint8Array(reading.chunks);
  }

  /** The chunk that it is at. */
  get at(): number {
    return this.#at;
  }

  start(): void {
    this.#ask(0);
  }

  #ask(chunk: number): void {
    this.#asked[chunk] = 1;
    this.#coming += 1;
    this.#delivery.fetch(this.#reading.host, chunk, () => {
      this.#landed[chunk] = 1;
      this.#coming -= 1;
      this.#readOn();
    });
  }

  #readOn(): void {
    const { chunks } = this.#reading;
    while (this.#landed[this.#at] === 1) {
      this.#at += 1;
      this.#window = Math.min(LOOK_AHEAD, this.#window + 1);
    }
    if (this.#at === chunks) {
      this.#done();
      return;
    }
    if (this.#asked[this.#at] === 0) this.#ask(this.#at);
    const to = Math.min(chunks - 1, this.#at + 2 * this.#window);
    this.#askFor(this.#at, to);
    // All that is near has been asked for, and what the reader is at is late.
    this.#askFor(to, Math.min(chunks - 1, this.#at + FAR));
  }

  /** Asks for those that were not asked for yet, while there is room in the window. */
  #askFor(after: number, to: number): void {
    // The one that is being read, and those ahead of it.
    if (this.#coming > this.#window) return;
    for (const next of aheadOf(after, to, this.#reading)) {
      if (this.#asked[next] === 1) continue;
      this.#ask(next);
      if (this.#coming > this.#window) return;
    }
  }
}
