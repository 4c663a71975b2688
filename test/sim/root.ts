import type { Network } from './network.ts';

/** Where the roots and the origin stand in the network. */
export interface RootPlace {
  readonly node: number;
  readonly origin: number;
  readonly chunks: number;
}

/** The roots as one: each chunk comes from the origin once, is passed on as it comes, and put into S3 once nobody reads any more. */
export class Root {
  readonly node: number;
  /** Chunks that were read from the origin. */
  originReads = 0;
  /** Chunks that were asked for when S3 had them. */
  s3Reads = 0;
  readonly #network: Network;
  readonly #place: RootPlace;
  readonly #asked: Uint8Array;

  constructor(network: Network, place: RootPlace) {
    this.node = place.node;
    this.#network = network;
    this.#place = place;
    this.#asked = new Uint8Array(place.chunks);
    network.fill(place.origin);
  }

  /** Has a chunk there, or on its way. */
  want(chunk: number): void {
    if (this.#network.isWhole(this.node, chunk)) this.s3Reads += 1;
    if (this.#asked[chunk] === 1) return;
    this.#asked[chunk] = 1;
    this.originReads += 1;
    const { node, origin } = this.#place;
    this.#network.open({ from: origin, to: node, chunk, landed: () => {} });
  }
}
