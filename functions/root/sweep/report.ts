import type { Reason } from './plan.ts';

/** How much. */
interface Amount {
  blobs: number;
  bytes: number;
}

/** A blob that a dry run would have removed. */
export interface Doomed {
  readonly folder: string;
  readonly source: string | undefined;
  readonly bytes: number;
  readonly idleMs: number;
  readonly reason: Reason;
}

/** What a sweep has found and done, or would have done. */
export interface SweepReport {
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** False when it ran out of time: the next one goes on where it stopped. */
  isDone: boolean;
  readonly isDry: boolean;
  found: { blobs: number; facts: number; rights: number; bytes: number };
  readonly removed: Record<Reason, Amount>;
  /** Facts and rights that stood for nothing any more. */
  records: number;
  /** Of holders that died, and half-written files. */
  leftovers: number;
  /** Blobs that were to go, and were used meanwhile. */
  inUse: number;
  /** Bytes beyond the quota that stay, for all of them were used of late. */
  overBytes: number;
  /** Chunks of sealed blobs that were read again, and those that were not what they should be. */
  readonly checked: { chunks: number; corrupt: number };
  /** Of a dry run: the first of those that would go. */
  doomed?: readonly Doomed[];
}

export const emptyReport = (startedAtMs: number, isDry: boolean): SweepReport => ({
  startedAtMs,
  isDone: false,
  isDry,
  found: { blobs: 0, facts: 0, rights: 0, bytes: 0 },
  removed: {
    orphaned: { blobs: 0, bytes: 0 },
    aged: { blobs: 0, bytes: 0 },
    'over quota': { blobs: 0, bytes: 0 },
  },
  records: 0,
  leftovers: 0,
  inUse: 0,
  overBytes: 0,
  checked: { chunks: 0, corrupt: 0 },
});
