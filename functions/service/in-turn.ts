import type { Blob } from '../blob/blob.ts';
import { KiB } from '../blob/chunk.ts';
import type { BlobFacts } from '../blob/facts.ts';
import { WORDS_HEADER } from '../protocol/headers.ts';
import type { BlobRequest } from './blob-request.ts';
import type { ReplyPlan } from './reply-plan.ts';
import type { Sending } from './send-turns.ts';

// What is less is sent sooner than it is asked whether others wait.
const WORTH_A_TURN_BYTES = 64 * KiB;

/** Whether it is a node that asks, and hears any number of words that it is being worked on. */
export const hearsWords = ({ node, request }: BlobRequest): boolean =>
  node !== undefined && WORDS_HEADER in request.headers;

/**
 * Whether a reply waits for its turn (`SendTurns`): a chunk, for whoever can be told meanwhile that it is coming. The rest
 * of one, that has come in part, is waited for without a word.
 */
export function isInTurn(
  asked: BlobRequest,
  { chunkBytes }: BlobFacts,
  { parts, length }: ReplyPlan,
): boolean {
  const [part] = parts;
  const isChunk = part !== undefined && part.span.start % chunkBytes === 0 && length <= chunkBytes;
  return isChunk && length >= WORTH_A_TURN_BYTES && hearsWords(asked);
}

/** What a reply is in the line of those that wait. */
export const sendingOf = ({ node = '' }: BlobRequest, blob: Blob, { parts, length }: ReplyPlan): Sending => ({
  peer: node,
  blob: blob.facts.key,
  start: parts[0]?.span.start ?? 0,
  length,
  isThere: () => blob.isThere,
});
