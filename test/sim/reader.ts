/** What a reader needs of whoever brings it chunks. */
export interface Delivery {
  /** Has a chunk come to a host; calls `landed` when all of it is there. */
  fetch(host: number, chunk: number, landed: () => void): void;
}

// As sidecar/agent.ts sets a BlobReader up.
const LOOK_AHEAD = 4;

/** What a host reads, and in which order it looks ahead. */
export interface Reading {
  readonly host: number;
  readonly chunks: number;
  /** Within blocks of so many chunks each host looks ahead in an order of its own; 1: from start to end, like all. */
  readonly block: number;
  /** Draws where the host begins in a block. */
  readonly random: () => number;
}

/**
 * A client of one host that reads a blob from start to end as fast as it comes. As `Transfer` in
 * functions/blob/transfer.ts does, it asks for one chunk to begin with, then for a window that grows by one a chunk up to
 * the look-ahead, and for a further chunk when one lands.
 */
export class SimulatedReader {
  readonly #reading: Reading;
  readonly #delivery: Delivery;
  readonly #done: () => void;
  readonly #landed: Uint8Array;
  readonly #asked: Uint8Array;
  /** Chunks in the order in which it looks ahead. */
  readonly #order: readonly number[];
  #next = 0;
  #at = 0;
  #coming = 0;
  #window = 1;

  constructor(reading: Reading, delivery: Delivery, done: () => void) {
    this.#reading = reading;
    this.#delivery = delivery;
    this.#done = done;
    this.#landed = new Uint8Array(reading.chunks);
    this.#asked = new Uint8Array(reading.chunks);
    this.#order = orderOf(reading);
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
    const { chunks, block } = this.#reading;
    while (this.#landed[this.#at] === 1) {
      this.#at += 1;
      this.#window = Math.min(LOOK_AHEAD, this.#window + 1);
    }
    if (this.#at === chunks) {
      this.#done();
      return;
    }
    // The one that is being read, and those ahead of it.
    if (this.#asked[this.#at] === 0) this.#ask(this.#at);
    const to = Math.min(chunks, this.#at + Math.max(2 * block, 2 * this.#window + 1));
    while (this.#coming <= this.#window) {
      while (this.#asked[this.#order[this.#next] ?? 0] === 1 && this.#next < chunks) this.#next += 1;
      const next = this.#order[this.#next];
      if (next === undefined || next >= to) return;
      this.#ask(next);
    }
  }
}

/** All chunks, block by block; each block from where the draw falls to its end, then from its start. */
function orderOf({ chunks, block, random }: Reading): number[] {
  const order: number[] = [];
  for (let start = 0; start < chunks; start += block) {
    const length = Math.min(block, chunks - start);
    const from = Math.floor(random() * length);
    for (let at = 0; at < length; at += 1) order.push(start + ((from + at) % length));
  }
  return order;
}
