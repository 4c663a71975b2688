// Never fewer: one that is held up is not to hold up the others.
export const FEWEST_LANES = 4;
const MOST = 64;
// Of as many transfers under way at once these are how many wait for each other on the way (Brakmo and Peterson, TCP Vegas,
// 1995): with fewer than the first there may be more at once, with more than the second fewer.
const FEW_WAIT = 2;
const MANY_WAIT = 4;
// Of fewer bytes the time says nothing of the link.
const MIN_SAMPLE_BYTES = 64 * 1024;
const LONGEST_FORGOTTEN = 1.01;

/**
 * How many transfers go on at once over one link: as many as make each other no slower, and few beyond. Where it is full,
 * more at once only have the first wait for the last.
 */
export class LaneLimit {
  #count: number;
  /** Bytes of the longest transfer of late. */
  #longest = 0;
  #isFull = false;

  /** Begins with so many. */
  constructor(first: number) {
    this.#count = first;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether the last transfer waited for others on the way. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Whether a transfer is about as long as others: of a short one latency is most of its time, or none of it is the link's. */
  isUsual(bytes: number): boolean {
    if (!(bytes >= MIN_SAMPLE_BYTES)) return false;
    this.#longest = Math.max(bytes, this.#longest / LONGEST_FORGOTTEN);
    return bytes >= this.#longest / 2;
  }

  /**
   * Notes how a transfer went that had so many beside it as it began, itself included: paces are milliseconds for each
   * byte, `best` is what it would have been alone.
   */
  learn(pace: number, best: number, peers: number): void {
    const waiting = peers * (1 - best / pace);
    this.#isFull = waiting >= FEW_WAIT;
    if (waiting > MANY_WAIT) this.#count = Math.max(FEWEST_LANES, this.#count - 1);
    // One that was not full says nothing of what more would do.
    else if (peers >= this.#count && waiting < FEW_WAIT) this.#count = Math.min(MOST, this.#count + 1);
  }
}
