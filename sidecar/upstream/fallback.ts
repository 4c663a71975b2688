import type { Source, Upstream, Wanted } from '../../functions/blob/upstream.ts';
import type { Address } from '../../functions/protocol/address.ts';

/** Upstreams one after the other: the roots, then the origin when all else fails. */
export class FallbackUpstream implements Upstream {
  readonly #upstreams: readonly Upstream[];

  constructor(upstreams: readonly Upstream[]) {
    this.#upstreams = upstreams;
  }

  *sources(address: Address, wanted?: Wanted): Iterable<Source> {
    for (const upstream of this.#upstreams) yield* upstream.sources(address, wanted);
  }
}
