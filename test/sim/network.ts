/** A chunk that moves over the links of two nodes. */
export interface Flow {
  readonly from: number;
  readonly to: number;
  readonly chunk: number;
  /** Called once, when its first bytes have come. */
  readonly began?: () => void;
  /** Called once, when its last byte has come. */
  readonly landed: () => void;
  /** Called when the sender has crashed, or nothing has come for as long as one waits. */
  readonly lost?: () => void;
  hasBegun: boolean;
  /** Its place among those that flow; -1 when it does not. */
  place: number;
}

/** Bytes a second. */
export interface Link {
  readonly up: number;
  readonly down: number;
}

/** What a network is made of. */
export interface NetworkParts {
  /** Of each node. */
  readonly links: readonly Link[];
  /** How many chunks there are, and how many bytes each has. */
  readonly chunks: number;
  readonly chunkBytes: number;
  readonly stepMs: number;
}

// Timeouts.Idle and Timeouts.FirstByte.
const IDLE_MS = 10_000;

// Parts of bytes are left over by rounding.
const ROUNDED_BYTES = 1;
// After three rounds of filling nearly nothing of a link is left that somebody could use.
const ROUNDS = 3;
// Many times more flow at a time than there are nodes.
const FLOWS_PER_NODE = 4;

/**
 * The links of all nodes and what flows over them, as a fluid that moves in steps. In each step what flows over a link
 * shares it max-min fairly, as TCP roughly does: each gets an equal part, and what one cannot use goes to the others.
 * A relay passes on in one step what came in the step before it: cut-through, late by a step a hop.
 *
 * Of ten thousand nodes a hundred thousand flows are looked at in each of ten thousand steps: hence the arrays.
 */
export class Network {
  /** Bytes that each node has sent. */
  readonly sent: Float64Array;
  /** How many chunks each is sending. */
  readonly sending: Int32Array;
  readonly #parts: NetworkParts;
  readonly #idleSteps: number;
  /** Bytes that each node has of each chunk, node by node. */
  readonly #has: Float64Array;
  /** Of each link in this step, bytes: what is left, and what of it is one flow's share. */
  readonly #left: Readonly<Record<'up' | 'down' | 'upShare' | 'downShare', Float64Array>>;
  readonly #flows: Flow[] = [];
  #lanes: Lanes;

  constructor(parts: NetworkParts) {
    const { links, chunks, stepMs } = parts;
    const each = () => new Float64Array(links.length);
    this.#parts = parts;
    this.#idleSteps = IDLE_MS / stepMs;
    this.#has = new Float64Array(links.length * chunks);
    this.#left = { up: each(), down: each(), upShare: each(), downShare: each() };
    this.#lanes = createLanes(FLOWS_PER_NODE * links.length);
    this.sent = each();
    this.sending = new Int32Array(links.length);
  }

  /** Bytes that a node has of a chunk. */
  bytesOf(node: number, chunk: number): number {
    return this.#has[this.#cellOf(node, chunk)] as number;
  }

  isWhole(node: number, chunk: number): boolean {
    return this.bytesOf(node, chunk) === this.#parts.chunkBytes;
  }

  /** Has a node have all chunks from the start. */
  fill(node: number): void {
    this.#has.fill(this.#parts.chunkBytes, this.#cellOf(node, 0), this.#cellOf(node + 1, 0));
  }

  open(description: Omit<Flow, 'hasBegun' | 'place'>): Flow {
    const flow: Flow = { ...description, hasBegun: false, place: this.#flows.length };
    if (flow.place === this.#lanes.from.length) this.#lanes = grown(this.#lanes);
    this.#flows.push(flow);
    this.#put(flow, flow.place, 0);
    this.sending[flow.from] = (this.sending[flow.from] as number) + 1;
    return flow;
  }

  close(flow: Flow): void {
    const { place, from } = flow;
    if (place === -1) return;
    // The last one takes its place.
    const last = this.#flows.pop() as Flow;
    if (last !== flow) {
      this.#flows[place] = last;
      this.#put(last, place, this.#lanes.still[last.place] as number);
    }
    flow.place = -1;
    this.sending[from] = (this.sending[from] as number) - 1;
  }

  /** Breaks all that flows from a node and to it; whoever it sent to is told. */
  cut(node: number): void {
    for (const flow of this.#flows.filter(({ from, to }) => from === node || to === node)) {
      this.close(flow);
      if (flow.from === node) flow.lost?.();
    }
  }

  /** Lets all flows move for one step, then tells those that began and those that are done. */
  step(): void {
    const { links, stepMs } = this.#parts;
    this.#look();
    for (let node = 0; node < links.length; node += 1) {
      const { up, down } = links[node] as Link;
      this.#left.up[node] = (up * stepMs) / 1000;
      this.#left.down[node] = (down * stepMs) / 1000;
    }
    for (let round = 0; round < ROUNDS; round += 1) this.#share();
    const { begun, whole, idle } = this.#move();
    for (const flow of begun) {
      // Of two that began in the same step the one has had the other closed.
      if (flow.place === -1) continue;
      flow.hasBegun = true;
      flow.began?.();
    }
    for (const flow of whole) {
      if (flow.place === -1) continue;
      this.close(flow);
      flow.landed();
    }
    for (const flow of idle) {
      if (flow.place === -1 || flow.lost === undefined) continue;
      this.close(flow);
      flow.lost();
    }
  }

  #put(flow: Flow, place: number, stillSteps: number): void {
    const lanes = this.#lanes;
    flow.place = place;
    lanes.from[place] = flow.from;
    lanes.to[place] = flow.to;
    lanes.source[place] = this.#cellOf(flow.from, flow.chunk);
    lanes.sink[place] = this.#cellOf(flow.to, flow.chunk);
    lanes.still[place] = stillSteps;
  }

  #cellOf(node: number, chunk: number): number {
    return node * this.#parts.chunks + chunk;
  }

  /** What each could move in this step, had it the links for itself. */
  #look(): void {
    const { source, sink, wanted, moved } = this.#lanes;
    const has = this.#has;
    for (let at = 0; at < this.#flows.length; at += 1) {
      wanted[at] = Math.max(0, (has[source[at] as number] as number) - (has[sink[at] as number] as number));
      moved[at] = 0;
    }
  }

  /** Gives each flow its equal part of what is left of both its links. */
  #share(): void {
    const { up, down, upShare, downShare } = this.#left;
    const { from, to, wanted, moved } = this.#lanes;
    const count = this.#flows.length;
    // First how many there are to share with, then what that makes for each.
    upShare.fill(0);
    downShare.fill(0);
    for (let at = 0; at < count; at += 1) {
      if (wanted[at] === 0) continue;
      const sender = from[at] as number;
      const receiver = to[at] as number;
      upShare[sender] = (upShare[sender] as number) + 1;
      downShare[receiver] = (downShare[receiver] as number) + 1;
    }
    for (let node = 0; node < up.length; node += 1) {
      upShare[node] = (up[node] as number) / (upShare[node] as number);
      downShare[node] = (down[node] as number) / (downShare[node] as number);
    }
    for (let at = 0; at < count; at += 1) {
      const most = wanted[at] as number;
      if (most === 0) continue;
      const sender = from[at] as number;
      const receiver = to[at] as number;
      const part = Math.min(most, upShare[sender] as number, downShare[receiver] as number);
      wanted[at] = most - part;
      moved[at] = (moved[at] as number) + part;
      up[sender] = (up[sender] as number) - part;
      down[receiver] = (down[receiver] as number) - part;
    }
  }

  #move() {
    const { from, sink, moved, still } = this.#lanes;
    const { chunkBytes } = this.#parts;
    const has = this.#has;
    const begun: Flow[] = [];
    const whole: Flow[] = [];
    const idle: Flow[] = [];
    for (let at = 0; at < this.#flows.length; at += 1) {
      const flow = this.#flows[at] as Flow;
      const cell = sink[at] as number;
      const part = moved[at] as number;
      if (part > 0) {
        const bytes = (has[cell] as number) + part;
        has[cell] = bytes > chunkBytes - ROUNDED_BYTES ? chunkBytes : bytes;
        this.sent[from[at] as number] = (this.sent[from[at] as number] as number) + part;
        still[at] = 0;
        if (!flow.hasBegun) begun.push(flow);
      } else still[at] = (still[at] as number) + 1;
      if (has[cell] === chunkBytes) whole.push(flow);
      else if ((still[at] as number) > this.#idleSteps) idle.push(flow);
    }
    return { begun, whole, idle };
  }
}

/** What is known of those that flow, by their places. */
interface Lanes {
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** Where it is known how much the two have. */
  readonly source: Int32Array;
  readonly sink: Int32Array;
  /** Bytes that could still move in this step, and that have. */
  readonly wanted: Float64Array;
  readonly moved: Float64Array;
  /** Since when nothing has come, steps. */
  readonly still: Int32Array;
}

const createLanes = (places: number): Lanes => ({
  from: new Int32Array(places),
  to: new Int32Array(places),
  source: new Int32Array(places),
  sink: new Int32Array(places),
  wanted: new Float64Array(places),
  moved: new Float64Array(places),
  still: new Int32Array(places),
});

function grown(lanes: Lanes): Lanes {
  const wider = createLanes(2 * lanes.from.length);
  for (const [name, lane] of Object.entries(lanes)) wider[name as keyof Lanes].set(lane);
  return wider;
}
