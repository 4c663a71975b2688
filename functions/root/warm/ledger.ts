import type { Records } from '../records.ts';
import type { LaneState, Run } from './progress.ts';

/*
 * Where it is kept how far jobs have come, beside `v1/` and `lease/`:
 *
 *   warm/<job>/run.json            the run that counts, and its plan
 *   warm/<job>/<run>/<lane>.json   how far a lane of it has come
 *
 * Each has one writer at a time; who finds another run in `run.json` than its own has been replaced.
 */
const FOLDER = 'warm';

/** Where it is kept which run of a job counts. */
export const runPath = (id: string): string => `${FOLDER}/${id}/run.json`;
const lanePath = (id: string, run: string, lane: number): string => `${FOLDER}/${id}/${run}/${lane}.json`;

/** What roots tell each other of the jobs they work on. */
export class Ledger {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** The run of a job that counts. */
  run(id: string): Promise<Run | undefined> {
    return this.#records.get(runPath(id));
  }

  putRun(id: string, run: Run): Promise<void> {
    return this.#records.put(runPath(id), run);
  }

  lane(id: string, run: string, lane: number): Promise<LaneState | undefined> {
    return this.#records.get(lanePath(id, run, lane));
  }

  putLane(id: string, run: string, lane: number, state: LaneState): Promise<void> {
    return this.#records.put(lanePath(id, run, lane), state);
  }

  /** Every lane of a run, in order. */
  lanes(id: string, { run, plan }: Run): Promise<readonly (LaneState | undefined)[]> {
    return Promise.all(Array.from({ length: plan?.lanes ?? 0 }, (_, n) => this.lane(id, run, n)));
  }
}
