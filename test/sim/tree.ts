import { Events } from './events.ts';
import { type Link, Network } from './network.ts';
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

/**
 * A tree as it would be at best: complete, and of nodes that all are well. The nth host is a child of the host
 * number (n - children) / children, the first few of the source, and asks nobody else.
 */
export class Tree implements Delivery {
  readonly events = new Events();
  readonly network: Network;
  readonly #parts: TreeParts;
  /** Of each host: who waits for the chunks that are on their way. */
  readonly #coming: Map<number, (() => void)[]>[];

  constructor(parts: TreeParts) {
    const { links, sourceLink, chunks, chunkBytes, stepMs } = parts;
    this.#parts = parts;
    this.network = new Network({ links: [...links, sourceLink], chunks, chunkBytes, stepMs });
    this.network.fill(links.length);
    this.#coming = links.map(() => new Map());
  }

  fetch(node: number, chunk: number, landed: () => void): void {
    const { children, latencyMs, links, cutsThrough } = this.#parts;
    // A child may have been ahead of this reader.
    if (this.network.isWhole(node, chunk)) {
      this.events.after(0, landed);
      return;
    }
    const fetched = this.#coming[node]?.get(chunk);
    if (fetched !== undefined) {
      fetched.push(landed);
      return;
    }
    const parent = Math.floor(node / children) - 1;
    this.#coming[node]?.set(chunk, [landed]);
    const from = parent === -1 ? links.length : parent;
    const open = () => this.network.open({ from, to: node, chunk, landed: () => this.#land(node, chunk) });
    this.events.after(2 * latencyMs, () => {
      if (this.network.isWhole(from, chunk)) open();
      // It fetches what a child of it is the first to want.
      else if (cutsThrough) {
        if (!this.#coming[parent]?.has(chunk)) this.fetch(parent, chunk, () => {});
        open();
      } else this.fetch(parent, chunk, open);
    });
  }

  #land(node: number, chunk: number): void {
    const waiting = this.#coming[node]?.get(chunk) ?? [];
    this.#coming[node]?.delete(chunk);
    for (const landed of waiting) landed();
  }
}
