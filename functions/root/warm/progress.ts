import { countChunks } from '../../blob/chunk.ts';
import type { PlannedBlob } from './plan.ts';

/** Something that could not be warmed. */
export interface Failure {
  /** Without a query. */
  readonly what: string;
  readonly code: string;
  readonly message: string;
}

/** One going through a job, as it is kept. Nothing in it is secret. */
export interface Run {
  /** Never twice the same. */
  readonly run: string;
  readonly images: readonly string[];
  readonly platforms: readonly string[];
  readonly startedAtMs: number;
  /** When whoever plans it last said that it lives. */
  readonly aliveAtMs: number;
  readonly plan?: Plan;
}

/** What a run comes to, once that is known. */
export interface Plan {
  readonly blobs: readonly PlannedBlob[];
  readonly chunkBytes: number;
  readonly lanes: number;
  /** What could not even be planned. */
  readonly failures: readonly Failure[];
  /** What had to be fetched to plan. */
  readonly fetched: Amount;
}

/** How much of something. */
export interface Amount {
  readonly chunks: number;
  readonly bytes: number;
}

/** How far one lane of a run has come, as it is kept. */
export interface LaneState {
  readonly aliveAtMs: number;
  /** Of the lane's tasks, the first that is not done. */
  readonly next: number;
  readonly isDone: boolean;
  readonly chunks: Tally;
  readonly bytes: Tally;
  /** What is there of the task under way; whoever takes it up counts anew. */
  readonly current: Amount;
  /** How often the proof under way has come to nothing for want of time. */
  readonly lateProofs: number;
  /** Blobs that are there and could not be held against their digest in the time there was. */
  readonly unproven: number;
  readonly failed: number;
  readonly failures: readonly Failure[];
}

/** What is there by now, and how much of it this run has fetched. */
export interface Tally {
  readonly done: number;
  readonly fetched: number;
}

/** How far a job has come, as the API tells it. */
export interface Progress {
  readonly id: string;
  /** `stalled`: nobody works on it any more; asked for again it goes on. */
  readonly state: 'planning' | 'running' | 'stalled' | 'done' | 'failed';
  readonly images: readonly string[];
  readonly platforms: readonly string[];
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly blobs: number;
  readonly chunks: Tally & { readonly total: number };
  readonly bytes: Tally & { readonly total: number };
  readonly unproven: number;
  readonly failed: number;
  /** The first of them. */
  readonly failures: readonly Failure[];
}

// Who works on it says so every other second.
const STALLED_MS = 20_000;
const MAX_FAILURES_TOLD = 20;

/** What is known of a run, put together; a lane that has not begun is `undefined`. */
export function progressOf(
  id: string,
  run: Run,
  lanes: readonly (LaneState | undefined)[],
  nowMs: number,
): Progress {
  const { images, platforms, startedAtMs, plan } = run;
  const blobs = plan?.blobs ?? [];
  const begun = lanes.filter((lane) => lane !== undefined);
  const sum = (pick: (lane: LaneState) => number) => begun.reduce((total, lane) => total + pick(lane), 0);
  const told = [...(plan?.failures ?? []), ...begun.flatMap((lane) => lane.failures)];
  const failures = [...new Map(told.map((failure) => [failure.what, failure])).values()];
  const failed = failures.length + sum((lane) => lane.failed - lane.failures.length);
  const chunkCount = (size: number) => countChunks(size, plan?.chunkBytes ?? 1);
  return {
    id,
    state: stateOf(run, lanes, failed, nowMs),
    images,
    platforms,
    startedAt: new Date(startedAtMs).toISOString(),
    updatedAt: new Date(Math.max(run.aliveAtMs, ...begun.map((lane) => lane.aliveAtMs))).toISOString(),
    blobs: blobs.length,
    chunks: {
      total: blobs.reduce((total, { size }) => total + chunkCount(size), 0),
      done: sum(({ chunks, current }) => chunks.done + current.chunks),
      fetched: (plan?.fetched.chunks ?? 0) + sum(({ chunks }) => chunks.fetched),
    },
    bytes: {
      total: blobs.reduce((total, { size }) => total + size, 0),
      done: sum(({ bytes, current }) => bytes.done + current.bytes),
      fetched: (plan?.fetched.bytes ?? 0) + sum(({ bytes }) => bytes.fetched),
    },
    unproven: sum((lane) => lane.unproven),
    failed,
    failures: failures.slice(0, MAX_FAILURES_TOLD),
  };
}

function stateOf(
  { plan, aliveAtMs }: Run,
  lanes: readonly (LaneState | undefined)[],
  failed: number,
  nowMs: number,
): Progress['state'] {
  const isStale = (atMs: number) => nowMs - atMs > STALLED_MS;
  if (plan === undefined) return isStale(aliveAtMs) ? 'stalled' : 'planning';
  const atWork = Array.from({ length: plan.lanes }, (_, n) => lanes[n]).filter((lane) => !lane?.isDone);
  if (atWork.length === 0) return failed > 0 ? 'failed' : 'done';
  return atWork.some((lane) => isStale(lane?.aliveAtMs ?? aliveAtMs)) ? 'stalled' : 'running';
}

/** True while asking for a job again would start nothing. */
export const isUnderWay = ({ state }: Progress): boolean => state === 'planning' || state === 'running';
