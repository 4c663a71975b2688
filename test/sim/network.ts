/** How much of a chunk a node has, while it comes. */
export interface Receipt {
  bytes: number;
  /** What there was when the step began: a relay can pass on no more. */
  before: number;
}

/** A chunk that moves over the links of two nodes. */
export interface Flow {
  readonly from: number;
  readonly to: number;
  /** What the sender has; `undefined` when it has all of it. */
  readonly source: Receipt | undefined;
  readonly sink: Receipt;
  /** Called once, when its first bytes have come. */
  first: (() => void) | undefined;
  /** Called once, when its last byte has come. */
  readonly landed: () => void;
  /** Called when the sender has crashed, or nothing has come for as long as one waits. */
  readonly lost?: () => void;
  /** Since when nothing has come, steps. */
  still: number;
  /** What it could move in this step, had it the links for itself. */
  wanted: number;
  isOpen: boolean;
}

/** Bytes a second. */
export interface Link {
  readonly up: number;
  readonly down: number;
}

// Timeouts.Idle and Timeouts.FirstByte.
const IDLE_MS = 10_000;

// Parts of bytes are left over by rounding.
const ROUNDED_BYTES = 1;
// After three rounds of filling nearly nothing of a link is left that somebody could use.
const ROUNDS = 3;

/**
 * The links of all nodes and what flows over them, as a fluid that moves in steps. In each step what flows over a link
 * shares it max-min fairly, as TCP roughly does: each gets an equal part, and what one cannot use goes to the others.
 * A relay passes on in one step what came in the step before it: cut-through, late by a step a hop.
 */
export class Network {
  /** Bytes that each node has sent. */
  readonly sent: Float64Array;
  /** How many chunks each is sending. */
  readonly sending: Int32Array;
  readonly #links: readonly Link[];
  readonly #idleSteps: number;
  readonly #chunkBytes: number;
  readonly #stepSeconds: number;
  /** Of each link in this step, bytes: what is left, and what of it is one flow's share. */
  readonly #left: Readonly<Record<'up' | 'down' | 'upShare' | 'downShare', Float64Array>>;
  #flows: Flow[] = [];

  constructor(links: readonly Link[], chunkBytes: number, stepMs: number) {
    this.#idleSteps = IDLE_MS / stepMs;
    this.#links = links;
    this.#chunkBytes = chunkBytes;
    this.#stepSeconds = stepMs / 1000;
    this.sent = new Float64Array(links.length);
    this.sending = new Int32Array(links.length);
    const each = () => new Float64Array(links.length);
    this.#left = { up: each(), down: each(), upShare: each(), downShare: each() };
  }

  open(flow: Flow): void {
    this.#flows.push(flow);
    this.#count(flow, 1);
  }

  close(flow: Flow): void {
    if (!flow.isOpen) return;
    flow.isOpen = false;
    this.#count(flow, -1);
  }

  /** Breaks all that flows from a node and to it; whoever it sent to is told. */
  cut(node: number): void {
    for (const flow of this.#flows) {
      if (!flow.isOpen || (flow.from !== node && flow.to !== node)) continue;
      this.close(flow);
      if (flow.from === node) flow.lost?.();
    }
  }

  /** Lets all flows move for one step, then tells those that began and those that are done. */
  step(): void {
    const flows = this.#flows.filter(({ isOpen }) => isOpen);
    for (const { sink } of flows) sink.before = sink.bytes;
    for (const flow of flows) {
      const there = flow.source === undefined ? this.#chunkBytes : this.#thereOf(flow.source);
      flow.wanted = Math.max(0, there - flow.sink.bytes);
    }
    for (let node = 0; node < this.#links.length; node += 1) {
      const { up, down } = this.#links[node] as Link;
      this.#left.up[node] = up * this.#stepSeconds;
      this.#left.down[node] = down * this.#stepSeconds;
    }
    for (let round = 0; round < ROUNDS; round += 1) this.#share(flows);
    for (const { sink } of flows) {
      if (sink.bytes > this.#chunkBytes - ROUNDED_BYTES) sink.bytes = this.#chunkBytes;
    }
    // What lands may open others: those move from the next step on.
    this.#flows = flows.filter(({ sink }) => sink.bytes < this.#chunkBytes);
    for (const flow of flows) {
      // Of two that began in the same step the one has had the other closed.
      if (!flow.isOpen || flow.first === undefined || flow.sink.bytes === flow.sink.before) continue;
      const { first } = flow;
      flow.first = undefined;
      first();
    }
    for (const flow of flows) {
      flow.still = flow.sink.bytes > flow.sink.before ? 0 : flow.still + 1;
      if (!flow.isOpen) continue;
      if (flow.sink.bytes === this.#chunkBytes) {
        this.close(flow);
        flow.landed();
      } else if (flow.still > this.#idleSteps && flow.lost !== undefined) {
        this.close(flow);
        flow.lost();
      }
    }
  }

  #count({ from }: Flow, change: 1 | -1): void {
    this.sending[from] = (this.sending[from] as number) + change;
  }

  /** A receipt that nothing flows into in this step has what it had. */
  #thereOf({ bytes, before }: Receipt): number {
    return bytes === this.#chunkBytes ? bytes : Math.min(bytes, before);
  }

  /** Gives each flow its equal part of what is left of both its links. */
  #share(flows: readonly Flow[]): void {
    const { up, down, upShare, downShare } = this.#left;
    // First how many there are to share with, then what that makes for each.
    upShare.fill(0);
    downShare.fill(0);
    for (const { from, to, wanted } of flows) {
      if (wanted === 0) continue;
      upShare[from] = (upShare[from] as number) + 1;
      downShare[to] = (downShare[to] as number) + 1;
    }
    for (let node = 0; node < up.length; node += 1) {
      upShare[node] = (up[node] as number) / (upShare[node] as number);
      downShare[node] = (down[node] as number) / (downShare[node] as number);
    }
    for (const flow of flows) {
      if (flow.wanted === 0) continue;
      const { from, to, sink } = flow;
      const part = Math.min(flow.wanted, upShare[from] as number, downShare[to] as number);
      flow.wanted -= part;
      sink.bytes += part;
      up[from] = (up[from] as number) - part;
      down[to] = (down[to] as number) - part;
      this.sent[from] = (this.sent[from] as number) + part;
    }
  }
}
