import type { IncomingMessage } from 'node:http';
import { type ChunkId, countChunks } from '../blob/chunk.ts';
import type { BlobFacts } from '../blob/facts.ts';
import type { Located } from '../blob/store.ts';
import type { HeaderLines } from '../protocol/errors.ts';
import { MAX_PLAN_CHUNKS, PLAN_TYPE, type Plan, type PlannedChunk } from '../protocol/plan.ts';
import type { RangeSpec } from '../protocol/range.ts';
import { planReply } from './reply-plan.ts';

/** True when an agent asks where the bytes are, not for them; by HEAD it asks whether it may ask. */
export const wantsPlan = ({ headers }: IncomingMessage): boolean => headers.accept === PLAN_TYPE;

/**
 * The plan for the range asked for, from its first chunk on, as far as one answer goes. A chunk that cannot be looked
 * for is one that is not there.
 *
 * @throws P2PError RANGE_UNSATISFIABLE.
 */
export async function makePlan(
  facts: BlobFacts,
  specs: readonly RangeSpec[] | undefined,
  locate: (id: ChunkId) => Promise<Located | undefined>,
  headers: HeaderLines,
  now: () => number,
): Promise<Plan> {
  const { key, size, chunkBytes } = facts;
  const span = planReply(facts, specs).parts[0]?.span ?? { start: 0, end: 0 };
  const first = Math.floor(span.start / chunkBytes);
  const end = Math.min(countChunks(span.end, chunkBytes), first + MAX_PLAN_CHUNKS);
  const askedMs = now();
  const indexes = Array.from({ length: Math.max(0, end - first) }, (_, n) => first + n);
  const located = await Promise.all(
    indexes.map((index) => locate({ key, chunkBytes, index }).catch(() => undefined)),
  );
  const chunks: PlannedChunk[] = [];
  let untilMs = Number.POSITIVE_INFINITY;
  for (const [at, place] of located.entries()) {
    const length = Math.min(chunkBytes, size - (first + at) * chunkBytes);
    const expected = facts.sealed?.[first + at];
    const isRight = place?.length === length && (expected === undefined || expected === place.sha256);
    if (place === undefined || !isRight) continue;
    chunks.push({ index: first + at, sha256: place.sha256, url: place.url });
    untilMs = Math.min(untilMs, place.untilMs);
  }
  const lifeMs = chunks.length === 0 ? 0 : Math.max(0, untilMs - askedMs);
  return { size, chunkBytes, first, end, lifeSeconds: Math.floor(lifeMs / 1000), headers, chunks };
}
