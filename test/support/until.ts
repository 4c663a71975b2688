import { setTimeout as wait } from 'node:timers/promises';

const PERIOD_MS = 10;

/** How long a test waits for what has to come: only one that fails takes so long, on however busy a machine. */
export const PATIENCE_MS = 60_000;

/**
 * Waits until `condition` gives something other than `false` or `undefined`, and returns that. For what has
 * no event to wait on: another process, a count at the far end of a socket.
 *
 * @throws Error naming `what` after `timeoutMs`; an error of `condition` passes through at once.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = PATIENCE_MS,
): Promise<Exclude<T, false | undefined>> {
  const deadline = AbortSignal.timeout(timeoutMs);
  while (!deadline.aborted) {
    const value = await condition();
    if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>;
    await wait(PERIOD_MS);
  }
  throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
}
