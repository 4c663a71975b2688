import type { Member } from '../members/member.ts';

/** 64 bits in two numbers. */
interface Seed {
  readonly high: number;
  readonly low: number;
}

/** A member with what decides its place in a chunk's order: the highest comes first. */
interface Place {
  readonly member: Member;
  readonly score: number;
}

/**
 * Who should fetch a chunk for all others: weighted rendezvous hashing (Schindelhauer and Schomaker, 2005). Whoever
 * knows the same members ranks them alike; a member that joins or leaves changes the places of no two others; and each
 * comes first as often as its weight says. Nodes of all versions must agree on it, so the hash is part of the
 * protocol.
 */
export class Owners {
  readonly #members: readonly Member[];
  /** What each member's place in every order is drawn from; side by side, for all are looked at for each chunk. */
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  /** The same weight for all: then the order of the draws is that of the scores, and needs no logarithm. */
  readonly #isEven: boolean;

  constructor(members: readonly Member[]) {
    const seeds = members.map(({ id }) => seedOf(id));
    this.#members = members;
    this.#high = Int32Array.from(seeds, ({ high }) => high);
    this.#low = Int32Array.from(seeds, ({ low }) => low);
    this.#isEven = members.every(({ weight }) => weight === members[0]?.weight);
  }

  /** The first `count` members in the order of a chunk: its owner, then those that stand in for it. */
  ranked(key: string, index: number, count: number): readonly Member[] {
    const chunk = seedOf(`${key} ${index}`);
    const first: Place[] = [];
    let least = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < this.#members.length; at += 1) {
      const high = mix((this.#high[at] ?? 0) ^ chunk.low);
      // Nearly all are out by what this half can come to at most.
      if (this.#isEven && ((high >>> 11) + 1) / 2 ** 21 < least) continue;
      const low = mix(mix((this.#low[at] ?? 0) ^ chunk.high) + high);
      // A number in (0, 1): 21 bits and 32 make the 53 that it holds; the half keeps it off 0.
      const drawn = ((high >>> 11) * 2 ** 32 + (low >>> 0) + 0.5) / 2 ** 53;
      const member = this.#members[at] as Member;
      const score = this.#isEven ? drawn : Math.log(drawn) / member.weight;
      if (score < least) continue;
      place(first, { member, score });
      if (first.length > count) first.pop();
      if (first.length === count) least = first.at(-1)?.score ?? least;
    }
    return first.map(({ member }) => member);
  }
}

/** Puts a member where it belongs among those that are in order. */
function place(first: Place[], own: Place): void {
  const at = first.findIndex(
    ({ score, member }) => own.score > score || (own.score === score && own.member.id < member.id),
  );
  first.splice(at === -1 ? first.length : at, 0, own);
}

/** FNV-1a, and the same with the factor of MurmurHash2; each bit is then spread over all. */
function seedOf(text: string): Seed {
  let high = 0x811c9dc5;
  let low = 0x050c5d1f;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x5bd1e995);
  }
  return { high: mix(high), low: mix(low ^ 0x9e3779b9) };
}

/** The finalizer of MurmurHash3. */
function mix(bits: number): number {
  let mixed = bits;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
