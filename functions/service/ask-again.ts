import type { IncomingMessage } from 'node:http';
import { P2PError } from '../protocol/errors.ts';
import { AGENT_HEADER } from '../protocol/headers.ts';

/**
 * True when a request that failed before the client saw any reply is worth a second try from the start: the blob
 * changed or proved wrong; or a client's request, which is no circle, has shared a fetch with one that claims to be.
 */
export function mayAskAgain(error: unknown, { headers }: IncomingMessage): boolean {
  if (!(error instanceof P2PError)) return false;
  if (error.code === 'LOOP_DETECTED') return !(AGENT_HEADER in headers);
  // Then every source has had another blob than what was known of it.
  const isDisproved = error.code === 'UPSTREAM_MISMATCHED';
  return error.retry === 'restart' || error.code === 'CHUNK_CORRUPT' || isDisproved;
}
