/** How far a reader is read ahead of. */
export interface LookAhead {
  /** Chunks fetched ahead of one reader at a time. */
  readonly perRead: number;
  /**
   * So far beyond a chunk that is late others are fetched while its reader waits, once all that is near has come: a
   * few that come slowly then cost no time. Absent: no further than ever.
   */
  readonly beyondLate?: number;
  /** So many are while the link has room: of those that come slowly none is to take up the place of one that would not. Absent: no more. */
  readonly spare?: { readonly perRead: number; readonly hasRoom: () => boolean };
  /** Chunks fetched ahead of all readers together. */
  readonly total: number;
  /**
   * What the order of those further ahead is drawn from, another number on each node: so nodes that read the same at
   * the same time ask for different ones first, and have different ones to give to each other. Absent: one after the
   * other.
   */
  readonly seed?: number;
  /** How many nodes may read the same; absent: few. */
  readonly nodes?: () => number;
}

// What the reader comes to next is fetched first, and is the same on all nodes. Where few read the same that is much: their
// source may have no faster a link than each of them, and what not all of them want at the same time takes from what they
// do. In the lab 8 hosts that start together behind such a link had 0.75 of it so, and 0.6 with two. Where many do it is
// little: their trees for one chunk are deep, and those for the next eight would all be of the same inner nodes (npm run sim:
// 10,000 hosts took 4.7 times the ideal time with eight).
const NEXT_OF_FEW = 8;
const NEXT_OF_MANY = 2;
const MANY = 256;

/** The chunks after `index` up to `to` in the order in which they are best fetched. */
export function aheadOf(
  index: number,
  to: number,
  { seed, nodes }: Pick<LookAhead, 'seed' | 'nodes'>,
): number[] {
  const ahead = Array.from({ length: Math.max(0, to - index) }, (_, at) => index + 1 + at);
  if (seed === undefined) return ahead;
  const near = ahead.splice(0, (nodes?.() ?? 0) < MANY ? NEXT_OF_FEW : NEXT_OF_MANY);
  const drawn = ahead.map((chunk) => ({ chunk, at: draw(seed, chunk) }));
  drawn.sort((a, b) => a.at - b.at);
  return [...near, ...drawn.map(({ chunk }) => chunk)];
}

/** The same for a chunk each time, so that the order of two of them stays the same as the reader gets on. */
function draw(seed: number, chunk: number): number {
  // The finalizer of MurmurHash3; the factors keep neighbours apart.
  let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(chunk + 1, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
