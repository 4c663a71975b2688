import { setTimeout as wait } from 'node:timers/promises';
import type { RootCore } from './root.ts';
import { lastReport } from './sweep/state.ts';
import { sweeperOf } from './sweep/sweeper.ts';

// Whether a sweep is due is looked at so often: what the last one did not finish is gone on with soon.
const LOOK_MS = 5 * 60_000;
// One part of a sweep, between which others get their turn.
const PART_MS = 60_000;

/**
 * Looks after a root that is a server, until it closes: has its store swept every `Sweep.Every`, whoever of several
 * roots over it comes first, and leaves there what it has used.
 */
export async function keepHouse(core: RootCore): Promise<void> {
  const { settings, records, log, closing, usage } = core;
  const { Every } = settings.Sweep;
  for (;;) {
    const pauseMs = Every === 0 ? LOOK_MS : Math.min(Every, LOOK_MS);
    await wait(pauseMs, undefined, { signal: closing, ref: false }).catch(() => {});
    if (closing.aborted) return;
    try {
      await usage.flush(records);
      const last = await lastReport(records);
      if (Every === 0 || (last !== undefined && Date.now() - last.startedAtMs < Every)) continue;
      const endMs = Date.now() + PART_MS;
      await sweeperOf(core).sweep(false, () => Date.now() < endMs && !closing.aborted);
    } catch (cause) {
      log.warn({ cause }, 'sweep_failed');
    }
  }
}
