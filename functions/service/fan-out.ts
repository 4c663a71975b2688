import { ExpiringMap } from './expiring-map.ts';

/** What admission goes by. */
export interface FanOutParts {
  /** Nodes that a chunk is given to at a time; those that come later are sent to one of them. */
  readonly maxChildren: number;
  /** Replies that this node sends to other nodes at this moment. */
  readonly sending: () => number;
  /** Whether a node may be sent to, and be sent on: only what is known of the cluster is believed of a chain. */
  readonly isMember: (node: string) => boolean;
  readonly now: () => number;
}

/** A node that asks for a chunk. */
export interface Asker {
  readonly node: string;
  /** Those that this request has been at before: it is not sent back to them. */
  readonly asked: readonly string[];
  /** How often it was sent on already. */
  readonly redirects: number;
}

interface Child {
  /** By the clock of the fan-out. */
  untilMs: number;
  /** How many were sent on to it: about as many chunks it has to give. */
  referrals: number;
}

// As many as a node fetches at a time: whoever sends these has as much to send as it receives. A further chunk then goes
// to one child alone, and by it to the others. Without this bound those that asked first for one chunk are first for the
// next, all trees become one, and its inner nodes send everything (npm run sim: 4 times the ideal time, with it 1.2).
const ENOUGH_SENT = 9;
// One child for each chunk is as much as a node receives: a node that ever sends too much would do so for good. With twice
// as many each gets half of what it could, and holds up all that wait for it (npm run sim: one such node in 300 doubled
// the time of all).
const TOO_MUCH_SENT = 2 * ENOUGH_SENT;
// By then it has the chunk, and others have it from there; the uplink it took is free again.
const CHILD_MS = 60_000;
// At four children each that is 10 MB.
const MAX_CHUNKS = 20_000;
/**
 * Whoever was sent on so often is served where it is, children or not. Trees of ten thousand nodes whose uplinks are
 * busy, and therefore give a chunk to one child alone, are some twenty deep, and twice that while all begin at once. Were
 * this less than the depth, those at the end would serve all the rest (npm run sim: at 8, 1,000 nodes took 1.98 times the
 * ideal time; at 32, five of 10,000 served hundreds, who waited for five seconds).
 */
export const MAX_REDIRECTS = 64;
/** Said to an asker that does better to go back to who sent it here, and be sent on to another. */
export const BACK: unique symbol = Symbol('back');

/**
 * Makes a tree of those who want a chunk at the same time, so that no uplink is swamped: a few are given it, and
 * those that come later are sent to one of these, where the same happens.
 */
export class FanOut {
  readonly #parts: FanOutParts;
  readonly #chunks: ExpiringMap<Map<string, Child>>;

  constructor(parts: FanOutParts) {
    this.#parts = parts;
    // Of what nobody has asked for in that time every child is forgotten.
    this.#chunks = new ExpiringMap({ max: MAX_CHUNKS, ttlMs: CHILD_MS, now: parts.now });
  }

  /** Nodes that are being given some chunk now. */
  get children(): number {
    let count = 0;
    for (const children of this.#chunks.values()) count += children.size;
    return count;
  }

  /**
   * The node that an asker is to be sent on to for a chunk; `undefined` when it is to be given it here. It is always
   * a member that was given this chunk, never the asker or one that it has been at. `BACK` only for one that was sent
   * here.
   */
  refer(chunk: string, { node, asked, redirects }: Asker): string | typeof BACK | undefined {
    const { maxChildren, sending, isMember, now } = this.#parts;
    // A node of which nothing is known cannot be sent on either: it may be one that follows nobody.
    if (!isMember(node)) return undefined;
    const children = this.#chunks.get(chunk) ?? new Map<string, Child>();
    const nowMs = now();
    for (const [name, { untilMs }] of children) {
      if (untilMs <= nowMs || !isMember(name)) children.delete(name);
    }
    const known = children.get(node);
    const sent = sending();
    const mayGoBack = sent >= TOO_MUCH_SENT && redirects > 0 && redirects < MAX_REDIRECTS;
    const most = sent < ENOUGH_SENT ? maxChildren : mayGoBack ? 0 : 1;
    if (known !== undefined || children.size < most) {
      children.set(node, { untilMs: nowMs + CHILD_MS, referrals: known?.referrals ?? 0 });
      this.#chunks.set(chunk, children);
      return undefined;
    }
    if (redirects >= MAX_REDIRECTS) return undefined;
    let chosen: { readonly name: string; readonly child: Child } | undefined;
    for (const [name, child] of children) {
      // Of those with as few the first has most of the chunk by now.
      if (asked.includes(name) || (chosen !== undefined && child.referrals >= chosen.child.referrals))
        continue;
      chosen = { name, child };
    }
    if (chosen === undefined) return mayGoBack ? BACK : undefined;
    chosen.child.referrals += 1;
    return chosen.name;
  }
}
