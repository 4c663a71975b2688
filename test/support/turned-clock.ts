import type { Pace } from '../../sidecar/members/pace.ts';
import { until } from './until.ts';

/** A clock that stands still until a test turns it on, for loops that sleep by it. */
export interface TurnedClock {
  readonly pace: Pace;
  /** Fulfils when so many loops sleep, having done all that they do meanwhile. */
  asleep(loops: number): Promise<void>;
  /** Turns the clock on; loops wake in turn, and each sleeps again before the next wakes. */
  turn(ms: number): Promise<void>;
}

/** Everything happens exactly on time: `random` is a half. */
export function turnedClock(): TurnedClock {
  let nowMs = 0;
  const sleepers = new Map<object, { readonly dueMs: number; readonly wake: () => void }>();
  const asleep = (loops: number) =>
    until(`${loops} loops to sleep`, () => sleepers.size >= loops || undefined).then(() => undefined);
  return {
    asleep,
    pace: {
      now: () => nowMs,
      random: () => 0.5,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          const sleeper = {};
          const wake = () => {
            sleepers.delete(sleeper);
            signal.removeEventListener('abort', wake);
            resolve();
          };
          signal.addEventListener('abort', wake, { once: true });
          sleepers.set(sleeper, { dueMs: nowMs + ms, wake });
        }),
    },
    async turn(ms) {
      const loops = sleepers.size;
      const endMs = nowMs + ms;
      for (;;) {
        const [next] = [...sleepers.values()].sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined || next.dueMs > endMs) break;
        nowMs = next.dueMs;
        next.wake();
        await asleep(loops);
      }
      nowMs = endMs;
    },
  };
}
