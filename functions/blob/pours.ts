import type { Flight } from './flight.ts';
import { Pour } from './pour.ts';
import type { Reply, Source } from './upstream.ts';

/** How long transfers are held that nobody draws from, milliseconds, and how many at most. */
export interface PourLimits {
  readonly idleMs: number;
  readonly maxIdle: number;
}

// A client that takes longer than this over one chunk makes the origin send the blob from its start again. Common
// servers themselves give up on a reader that takes nothing for a minute (nginx: send_timeout 60s).
// Each one held is a connection of the origin's pool: a quarter of it leaves enough for those who do read.
const LIMITS: PourLimits = { idleMs: 60_000, maxIdle: 16 };

interface Held {
  readonly key: string;
  timer: NodeJS.Timeout | undefined;
}

/** The transfers of blobs that can only be read forwards, a few of one blob where its readers are far apart. */
export class Pours {
  readonly #limits: PourLimits;
  /** The one that has been idle longest comes first. */
  readonly #held = new Map<Pour, Held>();

  constructor(limits: PourLimits = LIMITS) {
    this.#limits = limits;
  }

  /** Transfers that are not over. */
  get size(): number {
    return this.#held.size;
  }

  /** The transfer of a blob that has the least to skip up to `offset`; `undefined` when all are past it. */
  find(key: string, offset: number): Pour | undefined {
    let nearest: Pour | undefined;
    for (const [pour, held] of this.#held) {
      if (held.key !== key || !pour.reaches(offset)) continue;
      if (nearest === undefined || pour.offset > nearest.offset) nearest = pour;
    }
    return nearest;
  }

  /** Takes on a reply that is a blob from its first byte; the first flight should be filled at once. */
  add(key: string, source: Source, reply: Reply): Pour {
    const pour = new Pour(source, reply, {
      idled: (idle) => this.#hold(idle),
      ended: (ended) => this.#drop(ended),
    });
    this.#held.set(pour, { key, timer: undefined });
    return pour;
  }

  /** Fills what a flight lacks; see `Pour.fill`. */
  fill(pour: Pour, flight: Flight, base: number): Promise<void> {
    const held = this.#held.get(pour);
    if (held !== undefined) clearTimeout(held.timer);
    return pour.fill(flight, base);
  }

  #hold(pour: Pour): void {
    const held = this.#held.get(pour);
    if (held === undefined) return;
    this.#held.delete(pour);
    this.#held.set(pour, held);
    held.timer = setTimeout(() => pour.discard(), this.#limits.idleMs).unref();
    const idle = [...this.#held.keys()].filter(({ isIdle }) => isIdle);
    if (idle.length > this.#limits.maxIdle) idle[0]?.discard();
  }

  #drop(pour: Pour): void {
    clearTimeout(this.#held.get(pour)?.timer);
    this.#held.delete(pour);
  }
}
