import { randomUUID } from 'node:crypto';
import type { Records } from '../records.ts';

/** Where processes leave what they have used: `usage/<day>/<process>.json`. */
export const USAGE_FOLDER = 'usage/';

/** What S3 bills by. */
export type S3Operation = 'write' | 'read' | 'free';

/** What one process has used on a day, or several together. */
export interface UsageCounts {
  s3Writes: number;
  s3Reads: number;
  /** Bytes put into S3, and read out of it by roots. */
  s3BytesIn: number;
  s3BytesOut: number;
  /** Chunks that agents were told to read from S3 by themselves, and their bytes: whether they did is not known. */
  lentChunks: number;
  lentBytes: number;
  /** Calls of a function, and how much memory they had for how long. */
  calls: number;
  gbSeconds: number;
}

export const noUsage = (): UsageCounts => ({
  s3Writes: 0,
  s3Reads: 0,
  s3BytesIn: 0,
  s3BytesOut: 0,
  lentChunks: 0,
  lentBytes: 0,
  calls: 0,
  gbSeconds: 0,
});

/** `2026-11-22`, in UTC. */
export const dayOf = (nowMs: number): string => new Date(nowMs).toISOString().slice(0, 10);

// What is lost at most of a process that ends without notice; a write each, while something is used.
const FLUSH_MS = 5 * 60_000;

/**
 * Counts what a process uses, and leaves it in the store from time to time, a record a day and process. A function's
 * instance that ends without notice takes what it has used in its last five minutes with it.
 */
export class Usage {
  readonly #now: () => number;
  readonly #name = randomUUID();
  #counts = noUsage();
  #day: string;
  #flushedMs: number;
  #isCounted = false;
  #flushing: Promise<void> | undefined;

  /** `now` in milliseconds since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
    this.#day = dayOf(now());
    this.#flushedMs = now();
  }

  s3(operation: S3Operation, bytes = 0): void {
    this.#isCounted = true;
    if (operation === 'write') {
      this.#counts.s3Writes += 1;
      this.#counts.s3BytesIn += bytes;
    } else if (operation === 'read') {
      this.#counts.s3Reads += 1;
      this.#counts.s3BytesOut += bytes;
    }
  }

  lent(bytes: number): void {
    this.#isCounted = true;
    this.#counts.lentChunks += 1;
    this.#counts.lentBytes += bytes;
  }

  called(ms: number, memoryMiB: number): void {
    this.#isCounted = true;
    this.#counts.calls += 1;
    this.#counts.gbSeconds += (ms / 1000) * (memoryMiB / 1024);
  }

  /** Leaves what was counted, when it is time, or at once; a store that fails is tried again the next time. */
  async flush(records: Records, isNow = false): Promise<void> {
    const nowMs = this.#now();
    const isOver = dayOf(nowMs) !== this.#day;
    if (!this.#isCounted || !(isNow || isOver || nowMs - this.#flushedMs >= FLUSH_MS)) return;
    this.#flushing ??= this.#put(records, isOver).finally(() => {
      this.#flushing = undefined;
    });
    await this.#flushing;
  }

  async #put(records: Records, isOver: boolean): Promise<void> {
    const [day, counts] = [this.#day, this.#counts];
    if (isOver) {
      // What is counted from here on is of another day.
      this.#counts = noUsage();
      this.#day = dayOf(this.#now());
    }
    this.#isCounted = false;
    this.#flushedMs = this.#now();
    await records.put(`${USAGE_FOLDER}${day}/${this.#name}.json`, counts).catch(() => {
      this.#isCounted = true;
    });
  }
}
