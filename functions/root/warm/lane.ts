import { setTimeout as wait } from 'node:timers/promises';
import { redact } from '../../protocol/address.ts';
import { P2PError } from '../../protocol/errors.ts';
import { tellAlive } from './alive.ts';
import type { WarmCall } from './call.ts';
import { type FillParts, fillBlob, type Outcome } from './fill-blob.ts';
import type { Ledger } from './ledger.ts';
import { type PlannedBlob, planTasks, type Task, tasksOfLane } from './plan.ts';
import type { Failure, LaneState, Plan } from './progress.ts';
import { failureOf } from './resolve.ts';

/** What working on a lane takes. */
export interface LaneParts extends Omit<FillParts, 'kept'> {
  readonly ledger: Ledger;
  readonly failed: (cause: unknown) => void;
  readonly now: () => number;
}

/** `late`: somebody has to go on with it. */
export type LaneEnd = 'done' | 'late' | 'replaced';

// A hiccup, and a restart; what fails longer fails.
const RETRY_PAUSES_MS = [1_000, 5_000];
const MAX_FAILURES_KEPT = 20;

const NOTHING = { chunks: 0, bytes: 0 } as const;

const FRESH: LaneState = {
  aliveAtMs: 0,
  next: 0,
  isDone: false,
  chunks: { done: 0, fetched: 0 },
  bytes: { done: 0, fetched: 0 },
  current: NOTHING,
  lateProofs: 0,
  unproven: 0,
  failed: 0,
  failures: [],
};

/** One lane of a run: its tasks one after the other, from where whoever worked on it before has come to. */
export class Lane {
  readonly #call: WarmCall & { readonly lane: number };
  readonly #plan: Plan;
  readonly #parts: LaneParts;
  #state: LaneState = FRESH;

  constructor(call: WarmCall & { readonly lane: number }, plan: Plan, parts: LaneParts) {
    this.#call = call;
    this.#plan = plan;
    this.#parts = parts;
  }

  /**
   * Works until all is done, time is up, or another run has begun. What cannot be warmed is told and passed over.
   *
   * @throws P2PError STORE_WRITE_FAILED when how far it has come could not be kept; the reason of `signal` on abort.
   */
  async work(signal: AbortSignal): Promise<LaneEnd> {
    const { ledger, late, failed } = this.#parts;
    const { id, run, lane } = this.#call;
    this.#state = { ...((await ledger.lane(id, run, lane)) ?? FRESH), current: NOTHING };
    const tasks = tasksOfLane(planTasks(this.#plan.blobs, this.#plan.chunkBytes), lane, this.#plan.lanes);
    await this.#tell();
    await using _ = tellAlive(() => this.#tell(), failed);
    for (let task = tasks[this.#state.next]; task !== undefined; task = tasks[this.#state.next]) {
      if ((await ledger.run(id))?.run !== run) return 'replaced';
      const outcome = late.aborted ? 'unfilled' : await this.#perform(task, signal);
      if (!this.#settle(outcome)) {
        await this.#tell();
        return 'late';
      }
    }
    this.#state = { ...this.#state, isDone: true };
    await this.#tell();
    return 'done';
  }

  /** Notes what became of a task; false when it has to be gone on with. */
  #settle(outcome: Outcome): boolean {
    const { chunks, bytes, current, next, lateProofs, unproven } = this.#state;
    // A proof has all the time there is but once: it cannot be gone on with, only begun anew.
    const isGivenUp = outcome === 'unproven' && lateProofs > 0;
    if (outcome !== 'done' && !isGivenUp) {
      const late = lateProofs + (outcome === 'unproven' ? 1 : 0);
      this.#state = { ...this.#state, current: NOTHING, lateProofs: late };
      return false;
    }
    this.#state = {
      ...this.#state,
      next: next + 1,
      chunks: { ...chunks, done: chunks.done + current.chunks },
      bytes: { ...bytes, done: bytes.done + current.bytes },
      current: NOTHING,
      lateProofs: 0,
      unproven: unproven + (isGivenUp ? 1 : 0),
    };
    return true;
  }

  async #perform(task: Task, signal: AbortSignal): Promise<Outcome> {
    const blob = this.#plan.blobs[task.blob] as PlannedBlob;
    const url = typeof blob.at === 'number' ? (this.#call.job.urls[blob.at] ?? '') : blob.at;
    const { chunkBytes } = this.#plan;
    for (const pauseMs of [...RETRY_PAUSES_MS, undefined]) {
      this.#state = { ...this.#state, current: NOTHING };
      try {
        const kept = (bytes: number, isFetched: boolean) => this.#count(bytes, isFetched);
        return await fillBlob({ url, size: blob.size, chunkBytes }, task, { ...this.#parts, kept }, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (pauseMs !== undefined && mayPass(error)) {
          await wait(pauseMs, undefined, { signal });
          continue;
        }
        this.#fail(failureOf(redact(url), error));
        return 'done';
      }
    }
    return 'done';
  }

  #count(length: number, isFetched: boolean): void {
    const { chunks, bytes, current } = this.#state;
    this.#state = {
      ...this.#state,
      current: { chunks: current.chunks + 1, bytes: current.bytes + length },
      // What was fetched stays fetched, whatever becomes of the task.
      chunks: { ...chunks, fetched: chunks.fetched + (isFetched ? 1 : 0) },
      bytes: { ...bytes, fetched: bytes.fetched + (isFetched ? length : 0) },
    };
  }

  #fail(failure: Failure): void {
    const { failed, failures } = this.#state;
    // A large blob has many tasks, and fails but once.
    if (failures.some(({ what }) => what === failure.what)) return;
    this.#state = {
      ...this.#state,
      failed: failed + 1,
      failures: [...failures, failure].slice(0, MAX_FAILURES_KEPT),
    };
  }

  #tell(): Promise<void> {
    const { id, run, lane } = this.#call;
    const { ledger, now } = this.#parts;
    this.#state = { ...this.#state, aliveAtMs: now() };
    return ledger.putLane(id, run, lane, this.#state);
  }
}

/** True for what may be otherwise in a while. */
const mayPass = (error: unknown): boolean =>
  error instanceof P2PError && (error.retry !== 'never' || error.status === 429 || error.status >= 500);
