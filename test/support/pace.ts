import { setTimeout as wait } from 'node:timers/promises';

/** Waits for its turn on a line of this speed; does not wait at all without one. */
export function pace(bitsPerSecond: number | undefined): (bytes: number) => Promise<void> {
  let freeAtMs = 0;
  return async (bytes) => {
    if (bitsPerSecond === undefined) return;
    freeAtMs = Math.max(freeAtMs, performance.now()) + (bytes * 8_000) / bitsPerSecond;
    await wait(freeAtMs - performance.now());
  };
}
