import { countChunks, MiB } from '../../blob/chunk.ts';

/** A blob of a job. */
export interface PlannedBlob {
  /** Where it is; of one that was asked for by URL, which may be signed, its place in the job's list instead. */
  readonly at: string | number;
  /** Bytes. */
  readonly size: number;
}

/** Work on chunks `[first, end)` of a blob. */
export interface Task {
  /** In the plan's list. */
  readonly blob: number;
  readonly first: number;
  readonly end: number;
  /** True when the whole blob is to be held against its digest after that, so that its origin need not be asked again. */
  readonly proves: boolean;
}

// At 5 MB/s a minute's work: progress is seen, and what an interrupted one has to look through again is little.
const TASK_BYTES = 256 * MiB;

/**
 * The tasks of a plan, in the order that they are best begun in: large blobs are worked on in several places at once,
 * and proven when the rest is under way.
 */
export function planTasks(blobs: readonly PlannedBlob[], chunkBytes: number): readonly Task[] {
  const most = Math.max(1, Math.floor(TASK_BYTES / chunkBytes));
  const parts: Task[] = [];
  const proofs: Task[] = [];
  for (const [blob, { size }] of blobs.entries()) {
    const chunks = countChunks(size, chunkBytes);
    const isOne = chunks <= most;
    for (let first = 0; first < Math.max(1, chunks); first += most) {
      parts.push({ blob, first, end: Math.min(chunks, first + most), proves: isOne });
    }
    if (!isOne) proofs.push({ blob, first: chunks, end: chunks, proves: true });
  }
  return [...parts, ...proofs];
}

/** The tasks that fall to one of several lanes. */
export const tasksOfLane = (tasks: readonly Task[], lane: number, lanes: number): readonly Task[] =>
  tasks.filter((_, index) => index % lanes === lane);
