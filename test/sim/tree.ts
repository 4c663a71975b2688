import { Events } from './events.ts';
import { type Link, Network, type Receipt } from './network.ts';
import type { Delivery } from './reader.ts';

/** One tree for all of a blob. */
export interface TreeParts {
  readonly links: readonly Link[];
  readonly sourceLink: Link;
  readonly chunks: number;
  readonly chunkBytes: number;
  readonly stepMs: number;
  readonly latencyMs: number;
  readonly children: number;
  /** True when a node passes on what comes, false when it waits for the whole chunk. */
  readonly cutsThrough: boolean;
}

interface Coming {
  readonly receipt: Receipt;
  readonly waiting: (() => void)[];
}

/**
 * A tree as it would be at best: complete, and of nodes that all are well. The nth host is a child of the host
 * number (n - children) / children, the first few of the source, and asks nobody else.
 */
export class Tree implements Delivery {
  readonly events = new Events();
  readonly network: Network;
  readonly #parts: TreeParts;
  readonly #has: Uint8Array[];
  readonly #coming: Map<number, Coming>[];

  constructor(parts: TreeParts) {
    this.#parts = parts;
    this.network = new Network([...parts.links, parts.sourceLink], parts.chunkBytes, parts.stepMs);
    this.#has = parts.links.map(() => new Uint8Array(parts.chunks));
    this.#coming = parts.links.map(() => new Map());
  }

  fetch(node: number, chunk: number, landed: () => void): void {
    const { children, latencyMs, links, cutsThrough } = this.#parts;
    // A child may have been ahead of this reader.
    if (this.#has[node]?.[chunk] === 1) {
      this.events.after(0, landed);
      return;
    }
    const fetched = this.#coming[node]?.get(chunk);
    if (fetched !== undefined) {
      fetched.waiting.push(landed);
      return;
    }
    const coming: Coming = { receipt: { bytes: 0, before: 0 }, waiting: [landed] };
    const parent = Math.floor(node / children) - 1;
    this.#coming[node]?.set(chunk, coming);
    const open = (source: Receipt | undefined) =>
      this.network.open({
        from: parent === -1 ? links.length : parent,
        to: node,
        source,
        sink: coming.receipt,
        first: undefined,
        landed: () => this.#land(node, chunk, coming),
        wanted: 0,
        still: 0,
        isOpen: true,
      });
    this.events.after(2 * latencyMs, () => {
      if (parent === -1 || this.#has[parent]?.[chunk] === 1) {
        open(undefined);
        return;
      }
      const above = this.#coming[parent]?.get(chunk) ?? this.#ahead(parent, chunk);
      if (cutsThrough) open(above.receipt);
      else above.waiting.push(() => open(undefined));
    });
  }

  /** A child may be ahead of its parent's own reader: the parent fetches for it. */
  #ahead(node: number, chunk: number): Coming {
    this.fetch(node, chunk, () => undefined);
    return this.#coming[node]?.get(chunk) as Coming;
  }

  #land(node: number, chunk: number, { waiting }: Coming): void {
    const has = this.#has[node] as Uint8Array;
    has[chunk] = 1;
    this.#coming[node]?.delete(chunk);
    for (const landed of waiting) landed();
  }
}
