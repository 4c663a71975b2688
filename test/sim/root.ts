import type { Network } from './network.ts';

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
    const { node, origin, s3 } = this.#place;
    this.#network.open({
      ...{ from: origin, to: node, chunk },
      // Puts it into S3, over the link on which agents are served.
      landed: () => this.#network.open({ from: node, to: s3, chunk, landed: () => {} }),
    });
  }
}
