import { P2PError } from '../protocol/errors.ts';

/**
 * True when a request that failed before the client saw any reply is worth a second try from the start: the blob
 * changed or proved wrong.
 */
export function mayAskAgain(error: unknown): boolean {
  if (!(error instanceof P2PError)) return false;
  // Then every source has had another blob than what was known of it.
  const isDisproved = error.code === 'UPSTREAM_MISMATCHED';
  return error.retry === 'restart' || error.code === 'CHUNK_CORRUPT' || isDisproved;
}
