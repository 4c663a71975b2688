import { setTimeout as wait } from 'node:timers/promises';

/** When what is done again and again is done next. */
export interface Pace {
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
  readonly random: () => number;
  /** Fulfils after so long, or at the signal. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Somewhat sooner or later, so that nodes that started together do not stay together. */
export const around = (ms: number, random: () => number): number => ms * (0.8 + 0.4 * random());

/** By the clock of this machine; what only waits keeps no process alive. */
export const REAL_PACE: Pace = {
  now: () => performance.now(),
  random: Math.random,
  sleep: (ms, signal) => wait(ms, undefined, { signal, ref: false }).catch(() => undefined),
};
