import type { Records } from '../records.ts';
import type { Inventory } from './inventory.ts';
import type { SweepReport } from './report.ts';

/** Where a sweep is that has more to do than one call of a function has time for. */
export interface SweepState {
  readonly phase: 'survey' | 'remove' | 'check';
  /** The first shard, or blob, that is still to be done. */
  readonly next: number;
  readonly inventory: Inventory;
  readonly report: SweepReport;
}

/** Where a sweep leaves where it is. */
export const STATE_PATH = 'sweep/state.json';
const REPORT_PATH = 'sweep/last.json';
// What was found is believed for so long; what goes is looked at again in any case.
const STATE_MS = 24 * 60 * 60_000;

interface Saved {
  readonly savedAtMs: number;
  readonly state?: SweepState;
}

/** The state that an unfinished sweep has left, unless it is out of date. */
export async function loadState(records: Records, nowMs: number): Promise<SweepState | undefined> {
  const saved = await records.get<Saved>(STATE_PATH);
  const isFresh = saved !== undefined && Math.abs(nowMs - saved.savedAtMs) < STATE_MS;
  return isFresh ? saved.state : undefined;
}

/** Leaves where a sweep is; without a state it is done. */
export const saveState = (records: Records, nowMs: number, state?: SweepState): Promise<void> =>
  records.put(STATE_PATH, { savedAtMs: nowMs, ...(state && { state }) });

/** What the last sweep that came to its end has found and done. */
export const lastReport = (records: Records): Promise<SweepReport | undefined> =>
  records.get<SweepReport>(REPORT_PATH);

export const saveReport = (records: Records, report: SweepReport): Promise<void> =>
  records.put(REPORT_PATH, report);
