import type { Network, Receipt } from './network.ts';

/** Where the roots and the origin stand in the network. */
export interface RootPlace {
  readonly node: number;
  readonly origin: number;
  readonly s3: number;
  readonly chunks: number;
}

/** The roots as one: each chunk comes from the origin once, is passed on as it comes, and is kept in S3. */
export class Root {
  readonly node: number;
  /** Chunks that were read from the origin. */
  originReads = 0;
  /** Chunks that were asked for when S3 had them. */
  s3Reads = 0;
  readonly #network: Network;
  readonly #place: RootPlace;
  readonly #has: Uint8Array;
  readonly #coming = new Map<number, Receipt>();

  constructor(network: Network, place: RootPlace) {
    this.node = place.node;
    this.#network = network;
    this.#place = place;
    this.#has = new Uint8Array(place.chunks);
  }

  /** What the roots have of a chunk: `undefined` when all of it. */
  sourceOf(chunk: number): Receipt | undefined {
    if (this.#has[chunk] === 1) {
      this.s3Reads += 1;
      return undefined;
    }
    const coming = this.#coming.get(chunk);
    if (coming !== undefined) return coming;
    this.originReads += 1;
    const receipt = { bytes: 0, before: 0 };
    this.#coming.set(chunk, receipt);
    this.#network.open({
      from: this.#place.origin,
      to: this.#place.node,
      source: undefined,
      sink: receipt,
      first: undefined,
      landed: () => {
        this.#has[chunk] = 1;
        this.#coming.delete(chunk);
        this.#keep();
      },
      wanted: 0,
      still: 0,
      isOpen: true,
    });
    return receipt;
  }
  /** Puts a chunk that has come into S3, over the link on which agents are served. */
  #keep(): void {
    this.#network.open({
      from: this.#place.node,
      to: this.#place.s3,
      source: undefined,
      sink: { bytes: 0, before: 0 },
      first: undefined,
      landed: () => undefined,
      wanted: 0,
      still: 0,
      isOpen: true,
    });
  }
}
