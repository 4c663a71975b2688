import { LRUCache } from 'lru-cache';
import type { Authority, Leaf } from './authority.ts';

// As many hosts as one machine's clients talk to in a day; what is held for one is some 50 KiB.
const MAX_LEAVES = 256;

/** What leaves are made with. */
export interface LeafParts {
  readonly authority: Pick<Authority, 'issue'>;
  readonly now: () => number;
}

interface Held {
  readonly leaf: Promise<Leaf>;
  /** From when on it is made anew. */
  renewAtMs: number;
}

/**
 * The certificates that clients are shown, made when a host is first asked for: one for all who ask meanwhile, kept
 * for those who come later, and made anew in the last third of its life.
 */
export class Leaves {
  readonly #parts: LeafParts;
  readonly #held = new LRUCache<string, Held>({ max: MAX_LEAVES });

  constructor(parts: LeafParts) {
    this.#parts = parts;
  }

  /** The leaf of a host, a name in lower case or an address: the same value until it is renewed. */
  of(host: string): Promise<Leaf> {
    const known = this.#held.get(host);
    const nowMs = this.#parts.now();
    if (known !== undefined && nowMs < known.renewAtMs) return known.leaf;
    const held: Held = { leaf: this.#parts.authority.issue(host, nowMs), renewAtMs: Infinity };
    this.#held.set(host, held);
    held.leaf.then(
      ({ notAfterMs }) => {
        held.renewAtMs = nowMs + (2 / 3) * (notAfterMs - nowMs);
      },
      () => this.#held.delete(host),
    );
    return held.leaf;
  }
}
