/** How far a reader is read ahead of. */
export interface LookAhead {
  /** Chunks fetched ahead of one reader at a time. */
  readonly perRead: number;
  /** Chunks fetched ahead of all readers together. */
  readonly total: number;
  /**
   * Where those further ahead begin, another number on each node: so nodes that read the same at the same time ask
   * different ones first, and have different ones to give to each other. Absent: one after the other.
   */
  readonly offset?: number;
}

// What the reader comes to next is fetched first, whatever the others do.
const NEXT = 2;

/** The chunks after `index` up to `to` in the order in which they are best fetched. */
export function* aheadOf(
  index: number,
  to: number,
  offset: number | undefined,
): Generator<number, void, undefined> {
  const near = offset === undefined ? to : Math.min(to, index + NEXT);
  for (let next = index + 1; next <= near; next += 1) yield next;
  const length = to - near;
  if (length <= 0 || offset === undefined) return;
  // By remainders, so that the order of two chunks stays the same as the reader gets on.
  const first = near + 1 + ((((offset - near - 1) % length) + length) % length);
  for (let next = first; next <= to; next += 1) yield next;
  for (let next = near + 1; next < first; next += 1) yield next;
}
