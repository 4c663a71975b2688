import { setTimeout as wait } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { Blob } from '../../blob/blob.ts';
import { type ChunkId, chunkSpan } from '../../blob/chunk.ts';
import { redact } from '../../protocol/address.ts';
import { P2PError } from '../../protocol/errors.ts';
import type { Span } from '../../protocol/range.ts';
import type { JobReader } from './job-reader.ts';
import type { Task } from './plan.ts';

/** What filling takes. */
export interface FillParts {
  readonly reader: Pick<JobReader, 'open'>;
  /** Where chunks have to be in the end. */
  readonly store: { has(id: ChunkId): Promise<boolean> };
  /** Aborts when no more is to be begun. */
  readonly late: AbortSignal;
  /** Told of each chunk that is there. */
  readonly kept: (bytes: number, isFetched: boolean) => void;
}

/** A blob by where it is, and how large it was said to be. */
export interface Wanted {
  readonly url: string;
  readonly size: number;
  readonly chunkBytes: number;
}

/** What the time there was has sufficed for: `unfilled`, some chunks are left; `unproven`, the proof is. */
export type Outcome = 'done' | 'unfilled' | 'unproven';

// The origin's link is shared by all lanes.
const AT_ONCE = 4;
// A chunk is in the store soon after its reader has it; where it takes longer than this it was not kept.
const KEPT_PAUSES_MS = [0, 100, 400, 1_500, 4_000];

/**
 * Has chunks of a blob kept, fetching those alone that are not there, and the whole held against its digest if that is
 * the task's.
 *
 * @throws P2PError STORE_WRITE_FAILED when a chunk was not kept; UPSTREAM_MISMATCHED for another size than was said;
 * what reading it fails with.
 */
export async function fillBlob(
  wanted: Wanted,
  { first, end, proves }: Task,
  parts: FillParts,
  signal: AbortSignal,
): Promise<Outcome> {
  if (first < end || wanted.size === 0) await fillChunks(wanted, first, end, parts, signal);
  if (parts.late.aborted) return 'unfilled';
  return proves ? prove(wanted, parts, signal) : 'done';
}

async function fillChunks(
  { url, size, chunkBytes }: Wanted,
  first: number,
  end: number,
  { reader, store, late, kept }: FillParts,
  signal: AbortSignal,
): Promise<void> {
  const { blob: begun, fetchedBytes } = await openKept(url, first * chunkBytes, { reader, store }, signal);
  const { facts } = begun;
  if (facts.size !== size) {
    throw new P2PError('UPSTREAM_MISMATCHED', `${redact(url)} has ${facts.size} bytes, not ${size}`);
  }
  const fill = async (index: number): Promise<void> => {
    if (late.aborted) return;
    const span = chunkSpan(index, chunkBytes, size);
    const id = { key: facts.key, chunkBytes, index };
    if (index === first && fetchedBytes > 0) return kept(fetchedBytes, true);
    if (await store.has(id)) return kept(span.end - span.start, false);
    const blob = await reader.open(url, span.start, signal);
    await drain(blob, span, signal);
    await expectKept(url, id, store, signal);
    kept(span.end - span.start, blob.first?.from === 'origin');
  };
  const limit = pLimit(AT_ONCE);
  try {
    await Promise.all(Array.from({ length: end - first }, (_, n) => limit(() => fill(first + n))));
  } finally {
    limit.clearQueue();
  }
}

/** Reads a blob from start to end, which holds it against its digest; once proven its origin is asked no more. */
async function prove({ url, size }: Wanted, parts: FillParts, signal: AbortSignal): Promise<Outcome> {
  const blob = await parts.reader.open(url, undefined, signal);
  if (blob.facts.digest === undefined || blob.facts.sealed !== undefined) return 'done';
  try {
    await drain(blob, { start: 0, end: size }, AbortSignal.any([signal, parts.late]));
    return 'done';
  } catch (error) {
    signal.throwIfAborted();
    if (parts.late.aborted) return 'unproven';
    throw error;
  }
}

async function drain(blob: Blob, span: Span, signal: AbortSignal): Promise<void> {
  for await (const _ of blob.read(span, signal)) {
    // The reader keeps it; nobody else wants it.
  }
}

/**
 * Opens a blob and waits until the chunk that came along by that, if any, is kept; tells how many bytes those are.
 * Throws as `fillBlob` does.
 */
export async function openKept(
  url: string,
  first: number,
  { reader, store }: Pick<FillParts, 'reader' | 'store'>,
  signal: AbortSignal,
): Promise<{ readonly blob: Blob; readonly fetchedBytes: number }> {
  const blob = await reader.open(url, first, signal);
  const { key, size, chunkBytes } = blob.facts;
  if (blob.fetchedFrom === undefined || size === 0) return { blob, fetchedBytes: 0 };
  const index = Math.floor(first / chunkBytes);
  const span = chunkSpan(index, chunkBytes, size);
  await drain(blob, span, signal);
  await expectKept(url, { key, chunkBytes, index }, store, signal);
  return { blob, fetchedBytes: span.end - span.start };
}

async function expectKept(
  url: string,
  id: ChunkId,
  store: FillParts['store'],
  signal: AbortSignal,
): Promise<void> {
  for (const pauseMs of KEPT_PAUSES_MS) {
    await wait(pauseMs, undefined, { signal });
    if (await store.has(id)) return;
  }
  throw new P2PError('STORE_WRITE_FAILED', `chunk ${id.index} of ${redact(url)} was not kept`);
}
