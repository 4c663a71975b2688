import type { Member } from '../members/member.ts';

/** A member with what its place in every chunk's order is drawn from. */
interface Candidate {
  readonly member: Member;
  readonly seed: Seed;
}

/** 64 bits in two numbers. */
interface Seed {
  readonly high: number;
  readonly low: number;
}

/**
 * Who should fetch a chunk for all others: weighted rendezvous hashing (Schindelhauer and Schomaker, 2005). Whoever
 * knows the same members ranks them alike; a member that joins or leaves changes the places of no two others; and each
 * comes first as often as its weight says. Nodes of all versions must agree on it, so the hash is part of the
 * protocol.
 */
export class Owners {
  readonly #candidates: readonly Candidate[];
  /** The same weight for all: then the order of the draws is that of the scores, and needs no logarithm. */
  readonly #isEven: boolean;

  constructor(members: readonly Member[]) {
    this.#candidates = members.map((member) => ({ member, seed: seedOf(member.id) }));
    this.#isEven = members.every(({ weight }) => weight === members[0]?.weight);
  }

  /** The first `count` members in the order of a chunk: its owner, then those that stand in for it. */
  ranked(key: string, index: number, count: number): readonly Member[] {
    const chunk = seedOf(`${key} ${index}`);
    const first: { readonly candidate: Candidate; readonly score: number }[] = [];
    let least = Number.NEGATIVE_INFINITY;
    for (const candidate of this.#candidates) {
      const drawn = draw(candidate.seed, chunk);
      const score = this.#isEven ? drawn : Math.log(drawn) / candidate.member.weight;
      if (score < least && first.length === count) continue;
      const at = first.findIndex((other) => isBefore(candidate, score, other));
      if (at === -1 && first.length === count) continue;
      first.splice(at === -1 ? first.length : at, 0, { candidate, score });
      if (first.length > count) first.pop();
      least = first.at(-1)?.score ?? least;
    }
    return first.map(({ candidate }) => candidate.member);
  }
}

const isBefore = (
  { member }: Candidate,
  score: number,
  other: { readonly candidate: Candidate; readonly score: number },
): boolean => score > other.score || (score === other.score && member.id < other.candidate.member.id);

/** A number in (0, 1), as if drawn at random for this member and this chunk. */
function draw(member: Seed, chunk: Seed): number {
  const high = mix(member.high ^ chunk.low);
  const low = mix(mix(member.low ^ chunk.high) + high);
  // 21 bits and 32 make the 53 that a number holds; the half keeps it off 0.
  return ((high >>> 11) * 2 ** 32 + (low >>> 0) + 0.5) / 2 ** 53;
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
