import { setMaxListeners } from 'node:events';

/** How long a service may take. Milliseconds. */
export interface PatienceLimits {
  /** A call that fails after this long, or longer, was slow: the service is left alone for a while. */
  readonly slowMs: number;
  /** What no call may exceed, the time for its bytes apart. */
  readonly boundMs: number;
  readonly restMs: number;
  readonly now: () => number;
}

/**
 * Bounds the calls to a service that may hang, and gives it a rest after one that failed slowly: meanwhile calls fail
 * at once, so that not each of them has to find out by waiting.
 */
export class Patience {
  readonly #limits: PatienceLimits;
  readonly #ended = new AbortController();
  #restsUntilMs = Number.NEGATIVE_INFINITY;

  constructor(limits: PatienceLimits) {
    this.#limits = limits;
    setMaxListeners(0, this.#ended.signal);
  }

  /**
   * What `work` comes to; its signal aborts when the time is over. `extraMs` is added for the bytes it moves.
   *
   * @throws what `work` fails with; an Error while the service rests, and when it takes too long.
   */
  async call<T>(work: (signal: AbortSignal) => Promise<T>, extraMs = 0): Promise<T> {
    const { slowMs, boundMs, restMs, now } = this.#limits;
    const startedMs = now();
    if (startedMs < this.#restsUntilMs) throw new Error('it did not answer a moment ago');
    const limitMs = boundMs + extraMs;
    const stop = new AbortController();
    const end = () => stop.abort(new Error('it is closed'));
    const timer = setTimeout(() => stop.abort(new Error(`no answer in ${limitMs} ms`)), limitMs);
    this.#ended.signal.addEventListener('abort', end, { once: true });
    try {
      // Not all that is awaited in there listens to the signal.
      return await Promise.race([work(stop.signal), aborted(stop.signal)]);
    } catch (error) {
      const failedMs = now();
      if (failedMs - startedMs >= slowMs) this.#restsUntilMs = failedMs + restMs;
      throw error;
    } finally {
      clearTimeout(timer);
      this.#ended.signal.removeEventListener('abort', end);
    }
  }

  /** Ends the calls under way. */
  end(): void {
    this.#ended.abort();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
