import { setImmediate as afterInput, setTimeout as wait } from 'node:timers/promises';
import type { Reply } from '../../functions/blob/upstream.ts';

/** One of two that were asked the same. */
export interface Racer {
  readonly opening: Promise<Reply>;
  /** Told when the other one has won and this one was still under way: to end it. */
  lost(): void;
}

/**
 * The reply that is there first; the other is given up. One that says that it failed counts only once the other has
 * nothing better. Throws what the first failed with.
 */
export async function fastest(...racers: readonly [Racer, Racer]): Promise<Reply> {
  const failed = new Set<Racer>();
  const settled = racers.map(async (racer) => {
    const reply = await racer.opening.catch((error: unknown) => {
      failed.add(racer);
      throw error;
    });
    return { racer, reply };
  });
  const runs = settled.map(async (own, at) => {
    const run = await own;
    const other = isGood(run.reply) ? undefined : await settled[1 - at]?.catch(() => undefined);
    return other !== undefined && isGood(other.reply) ? other : run;
  });
  const won = await Promise.any(runs).catch(({ errors }: AggregateError) => {
    throw errors[0];
  });
  for (const racer of racers) {
    if (racer === won.racer || failed.has(racer)) continue;
    racer.lost();
    racer.opening.then(
      ({ body }) => body.discard(),
      () => {},
    );
  }
  return won.reply;
}

/**
 * Whether work ends, one way or the other, before nothing is heard of it for a time, the first word apart for
 * `silentMs`; `isHeard` tells whether anything was since it was called last.
 */
export async function settlesWithin(
  work: Promise<unknown>,
  ms: number,
  silentMs: number,
  isHeard: () => boolean,
): Promise<boolean> {
  for (let limitMs = ms; !(await settlesIn(work, limitMs)); limitMs = Math.max(ms, silentMs))
    if (!isHeard()) return false;
  return true;
}

async function settlesIn(work: Promise<unknown>, ms: number): Promise<boolean> {
  const over = new AbortController();
  const settled = work.then(
    () => true,
    () => true,
  );
  try {
    // Where this process is late itself, what it waits for may be there and not read yet: timers go before input.
    const elapsed = wait(ms, false, { signal: over.signal }).then((isSettled) => afterInput(isSettled));
    return await Promise.race([settled, elapsed]);
  } finally {
    over.abort();
  }
}

/** What it refuses is an answer too, of which a root would say no other. */
export const isGood = ({ status }: Reply): boolean => status < 500 && status !== 408 && status !== 429;
