import type { Claim, Leases, Waiting } from '../blob/leases.ts';
import { linkTo } from '../service/abort-link.ts';

// What a chunk takes of an origin that is slow to all, more or less: who waits for it would gain nothing.
const PATIENCE_MS = 8_000;
// Where what others are at was fetched quickly of late.
const SHORT_PATIENCE_MS = 1_000;
// Who takes longer for what another is at is no better than that one.
const LATE_MS = 2_000;
// For so long it is remembered how it was.
const KEPT_MS = 30_000;
const LOOK_MS = 250;

/** By what right one is fetched that another has the lease of. */
type Why = 'trial' | 'quick';

/** What they are made of. */
export interface ImpatientLeasesParts {
  readonly leases: Leases;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Leases whose holder is not waited for without end: one that renews them and gets nowhere, behind a link that is slow,
 * would hold up all. After some time one chunk is fetched all the same; if that was quick, so are the others that are
 * waited for, else none is for a while: then it is the origin that is slow, and asking it twice makes that worse.
 */
export class ImpatientLeases implements Leases {
  readonly #parts: ImpatientLeasesParts;
  #isTrying = false;
  #quickUntilMs = Number.NEGATIVE_INFINITY;
  #restsUntilMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ImpatientLeasesParts) {
    this.#parts = parts;
  }

  async claim<T>(
    name: string,
    look: () => Promise<T | undefined>,
    waiting: Waiting,
    signal: AbortSignal,
  ): Promise<Claim<T>> {
    const { leases, now } = this.#parts;
    if (waiting !== 'until found') return leases.claim(name, look, waiting, signal);
    const link = linkTo(signal);
    try {
      const startedMs = now();
      const claiming = leases.claim(name, look, waiting, link.own.signal);
      let why: Why | undefined;
      while (why === undefined) {
        const claim = await this.#soon(claiming);
        if (claim !== undefined) return claim;
        why = this.#mayGo(now() - startedMs);
      }
      link.own.abort();
      // It may have been given just then.
      claiming.then(({ release }) => release?.()).catch(() => {});
      const found = await look();
      if (found === undefined) return this.#attempt(why);
      if (why === 'trial') this.#isTrying = false;
      return { found };
    } finally {
      link.end();
    }
  }

  async settled(): Promise<void> {
    await this.#parts.leases.settled?.();
  }

  async #soon<T>(work: Promise<T>): Promise<T | undefined> {
    const over = new AbortController();
    try {
      return await Promise.race([
        work,
        this.#parts.sleep(LOOK_MS, over.signal).then(
          () => undefined,
          () => undefined,
        ),
      ]);
    } finally {
      over.abort();
    }
  }

  #mayGo(waitedMs: number): Why | undefined {
    const nowMs = this.#parts.now();
    if (nowMs < this.#quickUntilMs) return waitedMs >= SHORT_PATIENCE_MS ? 'quick' : undefined;
    if (waitedMs < PATIENCE_MS || nowMs < this.#restsUntilMs || this.#isTrying) return undefined;
    this.#isTrying = true;
    return 'trial';
  }

  #attempt(why: Why) {
    const { now } = this.#parts;
    const startedMs = now();
    // What is fetched because another was quick does not keep it so: from time to time one is tried again.
    const isTrial = why === 'trial';
    let isOver = false;
    const end = (isQuick: boolean) => {
      if (isOver) return;
      isOver = true;
      if (isTrial) this.#isTrying = false;
      const untilMs = now() + KEPT_MS;
      if (!isQuick) {
        this.#quickUntilMs = Number.NEGATIVE_INFINITY;
        this.#restsUntilMs = untilMs;
      } else if (isTrial) this.#quickUntilMs = untilMs;
    };
    return {
      filled: () => end(now() - startedMs <= LATE_MS),
      // Not filled: it was not to be had.
      release: async () => end(false),
    };
  }
}
