import { LRUCache } from 'lru-cache';
import { BlobLine, type BlobPart } from './blob-line.ts';
import { FEWEST_LANES, LaneLimit } from './lane-limit.ts';
import { Recent } from './recent.ts';

// Whoever takes so many times as long as most has a slow link of its own, or sends what comes slowly: the others wait no
// longer for that, and never very long.
const LONG_TIMES = 2;
const MIN_LONG_MS = 1_000;
const MAX_LONG_MS = 5_000;
const ENOUGH_SAMPLES = 8;
// What a peer was at best is forgotten by half in 700 bodies: links change. Sooner, what all wait for would soon be the best;
// on a link that is never idle that takes some ten thousands.
const BEST_FORGOTTEN = 1.001;
const MOST_PEERS = 1000;

/** A body that is to be sent. */
export interface Sending extends BlobPart {
  /** Who it is for. */
  readonly peer: string;
  /** Bytes. */
  readonly length: number;
  /** Whether all of them are at hand: else it is not the link that they wait for. */
  readonly isThere: () => boolean;
}

/** The right to send one body. */
export interface Turn {
  /** Ends it, when all was sent with how many bytes that were; a second call is nothing. */
  end(bytes?: number): void;
}

/**
 * Sends bodies to other nodes a few at a time, in the order in which they were asked for, for they share this node's link:
 * when all are sent at once each comes as late as the last, and by the luck of TCP some come ten times later, while
 * whoever waits for one could have begun to pass it on. Who is slow itself holds up nobody for long.
 */
export class SendTurns {
  readonly #limit = new LaneLimit(FEWEST_LANES);
  readonly #now: () => number;
  readonly #waiting = new BlobLine();
  /** Milliseconds for each byte, by peer, of its quickest body of late. */
  readonly #best = new LRUCache<string, number>({ max: MOST_PEERS });
  /** Milliseconds for each byte, of all. */
  readonly #paces = new Recent(ENOUGH_SAMPLES);
  #underWay = 0;
  /** Those let in from the line that are not under way yet. */
  #called = 0;

  /** `now` is milliseconds of a clock that nobody sets. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Those in line. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves in the order of the calls, but that of one blob what begins first in it goes first: all read it from its start.
   *
   * @throws P2PError CLIENT_GONE on abort, having left the line.
   */
  async take({ peer, length, isThere, ...part }: Sending, signal: AbortSignal): Promise<Turn> {
    if (!this.#isOpen || this.#waiting.length > 0) {
      await this.#waiting.wait(part, `a reply to ${peer}`, signal);
      this.#called -= 1;
    }
    this.#underWay += 1;
    const peers = this.#underWay;
    const startedMs = this.#now();
    let isCounted = true;
    const free = () => {
      clearTimeout(timer);
      if (!isCounted) return;
      isCounted = false;
      this.#underWay -= 1;
      this.#admit();
    };
    const wasThere = isThere();
    const usualMs = wasThere ? length * (this.#paces.median ?? 0) : 0;
    const longMs = Math.min(MAX_LONG_MS, Math.max(MIN_LONG_MS, LONG_TIMES * usualMs));
    const timer = setTimeout(free, longMs).unref();
    // Whoever is behind.
    this.#admit();
    let hasEnded = false;
    return {
      end: (sent = 0) => {
        if (!hasEnded && wasThere && this.#limit.isUsual(sent))
          this.#learn(peer, (this.#now() - startedMs) / sent, isCounted ? peers : undefined);
        hasEnded = true;
        free();
      },
    };
  }

  #learn(peer: string, pace: number, peers: number | undefined): void {
    this.#paces.add(pace);
    const best = Math.min(pace, (this.#best.get(peer) ?? pace) * BEST_FORGOTTEN);
    this.#best.set(peer, best);
    if (peers !== undefined) this.#limit.learn(pace, best, peers);
  }

  get #isOpen(): boolean {
    return this.#underWay + this.#called < this.#limit.count;
  }

  /** Lets the next one in; it lets in whoever is behind. */
  #admit(): void {
    if (this.#waiting.length === 0 || !this.#isOpen) return;
    this.#called += 1;
    this.#waiting.callNext();
  }
}
