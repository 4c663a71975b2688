/** Counts what is under way, and tells for how long there has been nothing. */
export class Activity {
  readonly #now: () => number;
  #underWay = 0;
  #endedMs = Number.NEGATIVE_INFINITY;

  /** `now` is milliseconds of a clock that nobody sets. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Milliseconds since the last ended; 0 while something is under way, and infinite before the first. */
  get idleMs(): number {
    return this.#underWay > 0 ? 0 : this.#now() - this.#endedMs;
  }

  begin(): void {
    this.#underWay += 1;
  }

  end(): void {
    this.#underWay -= 1;
    this.#endedMs = this.#now();
  }
}
