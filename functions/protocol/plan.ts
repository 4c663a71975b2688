import type { HeaderLines } from './errors.ts';

/** Accepted instead of bytes: where the chunks of a range can be read without asking the root for them. */
export const PLAN_TYPE = 'application/vnd.dadip2p.plan+json';

/**
 * The range that a plan is asked for, written as Range would be: what stands before a function may take Range for its
 * own to answer, and cut the plan. Of who asks by hand Range is understood too.
 */
export const PLAN_RANGE_HEADER = 'x-p2p-range';

/** The most chunks that one answer tells of. */
export const MAX_PLAN_CHUNKS = 256;

/** A chunk that can be read from a store by whoever has its URL. */
export interface PlannedChunk {
  readonly index: number;
  /** sha-256 of the chunk, hex: what comes from the store is held against it. */
  readonly sha256: string;
  /** Presigned: goes to the store without any header of ours or a client's. */
  readonly url: string;
}

/** What a root tells of the chunks `[first, end)` of a blob; those that are not listed are to be had from it alone. */
export interface Plan {
  readonly size: number;
  readonly chunkBytes: number;
  readonly first: number;
  readonly end: number;
  /** For so long the URLs hold, from when the answer was made: clocks differ. */
  readonly lifeSeconds: number;
  /** What a reply with bytes of the blob would say of it. */
  readonly headers: HeaderLines;
  readonly chunks: readonly PlannedChunk[];
}

/** The plan that a body is, or `undefined` when it is none: anything a root says beside it is ignored. */
export function parsePlan(body: string): Plan | undefined {
  let plan: Plan;
  try {
    plan = JSON.parse(body) as Plan;
  } catch {
    return undefined;
  }
  const { size, chunkBytes, first, end, lifeSeconds, headers, chunks } = plan ?? {};
  const isPlan =
    isCount(size) &&
    isCount(chunkBytes) &&
    chunkBytes > 0 &&
    isCount(first) &&
    isCount(end) &&
    end - first <= MAX_PLAN_CHUNKS &&
    isCount(lifeSeconds) &&
    typeof headers === 'object' &&
    headers !== null &&
    Array.isArray(chunks) &&
    chunks.every(isChunk);
  return isPlan ? { size, chunkBytes, first, end, lifeSeconds, headers, chunks } : undefined;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isChunk = (value: PlannedChunk): boolean =>
  isCount(value?.index) && /^[0-9a-f]{64}$/.test(value.sha256) && /^https?:\/\//.test(value.url);
