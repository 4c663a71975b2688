const MOST = 32;
// After readers, twice as many with each that is done: they often come back, and what was begun meanwhile goes on beside
// them. In the lab 32 at once took a third of the link of eight hosts that began one after the other.
const AFTER_READERS = 2;
// What is not written yet is lost if the process is: so much of it, where there is never a pause. Even one write took a
// sixth of the link of sixteen readers.
const LONGEST_MS = 60_000;
// With less room than this left, to wait any longer would soon have readers wait for room.
const NEARLY_FULL = 0.75;
const CHECK_MS = 1_000;

/** What turns go by. */
export interface WriteTurnsParts {
  /** True while somebody is being sent bytes over the link that writes go over. */
  readonly isBusy: () => boolean;
  /** True when other processes wait for what is not written yet; may fail. */
  readonly isAwaited: () => Promise<boolean>;
  /** Writes for which there is room, waiting or under way. */
  readonly mostHeld: number;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
  /** Calls back each time that so much has passed, until what it returns is called. */
  readonly every: (ms: number, run: () => void) => () => void;
}

interface Waiting {
  readonly sinceMs: number;
  readonly go: () => void;
}

/**
 * Has writes give way to readers: while somebody is being sent bytes they wait, and after a minute go one by one, in their
 * order; many at a time when nobody is, when other processes wait for them, or when there is little room left for more.
 */
export class WriteTurns {
  readonly #parts: WriteTurnsParts;
  readonly #waiting: Waiting[] = [];
  #writing = 0;
  /** Writes that go on at a time while nobody is sent anything. */
  #whileIdle = MOST;
  #isAwaited = false;
  #stopChecking: (() => void) | undefined;

  constructor(parts: WriteTurnsParts) {
    this.#parts = parts;
  }

  /** Writes that wait or are under way. */
  get count(): number {
    return this.#waiting.length + this.#writing;
  }

  /** Does a write when its turn comes; what it comes to. */
  async take<T>(write: () => Promise<T>): Promise<T> {
    this.#pace(1);
    const turn = new Promise<void>((go) => this.#waiting.push({ sinceMs: this.#parts.now(), go }));
    this.#proceed();
    await turn;
    try {
      const written = await write();
      this.#pace(2);
      return written;
    } finally {
      this.#writing -= 1;
      this.#proceed();
    }
  }

  /** So many times as many at once as before, in a pause of the readers; few again in the next. */
  #pace(times: number): boolean {
    const isBusy = this.#parts.isBusy();
    this.#whileIdle = isBusy ? AFTER_READERS : Math.min(MOST, times * this.#whileIdle);
    return isBusy;
  }

  #proceed(): void {
    while (this.#waiting.length > 0 && this.#writing < this.#limit()) {
      this.#writing += 1;
      this.#waiting.shift()?.go();
    }
    if (this.#waiting.length > 0) this.#stopChecking ??= this.#parts.every(CHECK_MS, () => this.#check());
    else this.#rest();
  }

  #limit(): number {
    const { mostHeld, now } = this.#parts;
    const isBusy = this.#pace(1);
    if (this.#isAwaited || this.count >= NEARLY_FULL * mostHeld) return MOST;
    if (!isBusy) return this.#whileIdle;
    const [first] = this.#waiting;
    return first !== undefined && now() - first.sinceMs >= LONGEST_MS ? 1 : 0;
  }

  /** Readers end, and others come, without a word. */
  async #check(): Promise<void> {
    this.#isAwaited = await this.#parts.isAwaited().catch(() => false);
    this.#proceed();
  }

  #rest(): void {
    this.#stopChecking?.();
    this.#stopChecking = undefined;
  }
}
