import { KiB } from '../blob/chunk.ts';
import { P2PError } from '../protocol/errors.ts';

// What may be sent at once after a pause; it also covers timers that fire late.
const BURST_MS = 100;
// Transfers take turns by slices: small enough for many to get on at a low rate, large enough for a file's to be cheap.
const MIN_SLICE_BYTES = 16 * KiB;
const MAX_SLICE_BYTES = 256 * KiB;
const SLICES_A_SECOND = 64;

/** What a bandwidth measures time by. */
export interface BandwidthClock {
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
  /** Calls back once, so much later; what it returns prevents that. */
  readonly after: (ms: number, run: () => void) => () => void;
}

interface Waiter {
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * A token bucket that many transfers share: over any time it lets through what the rate gives, a burst of a tenth of a
 * second, and one slice. Who waits is served in the order in which they asked, so transfers that ask slice by slice
 * get the same share each.
 */
export class Bandwidth {
  /** Most bytes that one transfer should take at a time. */
  readonly sliceBytes: number;
  readonly #perMs: number;
  readonly #clock: BandwidthClock;
  readonly #waiting = new Set<Waiter>();
  /** Bytes that may go now; below zero, what has gone too early. */
  #balance: number;
  #countedMs: number;
  #cancel: (() => void) | undefined;

  constructor(bytesPerSecond: number, clock: BandwidthClock) {
    this.#perMs = bytesPerSecond / 1000;
    this.#clock = clock;
    this.#balance = this.#perMs * BURST_MS;
    this.#countedMs = clock.now();
    const slice = Math.floor(bytesPerSecond / SLICES_A_SECOND);
    this.sliceBytes = Math.min(MAX_SLICE_BYTES, Math.max(MIN_SLICE_BYTES, slice));
  }

  /** `undefined` for a rate of 0, which is no limit. */
  static of(bytesPerSecond: number): Bandwidth | undefined {
    return bytesPerSecond === 0 ? undefined : new Bandwidth(bytesPerSecond, REAL_CLOCK);
  }

  /** True while somebody waits for a turn. */
  get isHolding(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Takes bytes: `undefined` when they may go at once, else a promise of their turn.
   *
   * @throws P2PError CLIENT_GONE on abort; the turn is then the next one's.
   */
  take(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    if (signal.aborted) return Promise.reject(gone(signal));
    this.#refill();
    if (this.#waiting.size > 0 || this.#balance < 0) return this.#wait(bytes, signal);
    this.#balance -= bytes;
    return undefined;
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiter);
        if (this.#waiting.size === 0) this.#stop();
        reject(gone(signal));
      };
      const go = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const waiter: Waiter = { bytes, go };
      this.#waiting.add(waiter);
      signal.addEventListener('abort', leave, { once: true });
      this.#cancel ??= this.#clock.after(Math.ceil(-this.#balance / this.#perMs), () => this.#serve());
    });
  }

  #serve(): void {
    this.#stop();
    this.#refill();
    for (const waiter of this.#waiting) {
      if (this.#balance < 0) break;
      this.#balance -= waiter.bytes;
      this.#waiting.delete(waiter);
      waiter.go();
    }
    if (this.#waiting.size === 0) return;
    this.#cancel = this.#clock.after(Math.ceil(-this.#balance / this.#perMs), () => this.#serve());
  }

  #refill(): void {
    const nowMs = this.#clock.now();
    const earned = (nowMs - this.#countedMs) * this.#perMs;
    this.#balance = Math.min(this.#perMs * BURST_MS, this.#balance + earned);
    this.#countedMs = nowMs;
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

const gone = ({ reason }: AbortSignal): P2PError =>
  new P2PError('CLIENT_GONE', 'the transfer was given up before its turn', { cause: reason });

/** By the clock of this machine. */
const REAL_CLOCK: BandwidthClock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
