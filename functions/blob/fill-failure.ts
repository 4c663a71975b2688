import type { Address } from '../protocol/address.ts';
import { hasCode, P2PError } from '../protocol/errors.ts';
import { headerValue } from '../protocol/headers.ts';
import type { Answer } from './answer.ts';
import type { BlobFacts } from './facts.ts';
import type { Flight } from './flight.ts';
import { blobKey } from './identity.ts';
import type { Reply, Source } from './upstream.ts';

/** True for a failure that another source, or the same at another time, may not have. */
export const isElsewhere = (error: unknown): boolean =>
  error instanceof P2PError && (error.retry === 'elsewhere' || error.code === 'UPSTREAMS_EXHAUSTED');

/** True when those that are trusted have another blob than the facts say, which a sibling may have told along with it. */
export const isOfOtherFacts = (error: unknown, facts: BlobFacts): boolean =>
  hasCode(error, 'UPSTREAM_MISMATCHED') && facts.sealed === undefined;

/** What it comes to when what siblings sent cannot be held against anything. */
export const unproven = ({ id: { index, key } }: Flight): P2PError =>
  new P2PError('UPSTREAMS_EXHAUSTED', `nothing proves what siblings sent of chunk ${index} of ${key}`);

/** What it comes to when no source is left to ask for the right bytes. */
export function exhausted(mismatch: P2PError): P2PError {
  if (mismatch.code === 'DIGEST_MISMATCH') return mismatch;
  return new P2PError('UPSTREAMS_EXHAUSTED', 'no upstream has the right bytes of a chunk', {
    cause: mismatch,
  });
}

/** Throws unless a reply is of the version that the facts describe. */
export function expectSameVersion(
  { address, facts }: { readonly address: Address; readonly facts: BlobFacts },
  { source, reply, answer }: { readonly source: Source; readonly reply: Reply; readonly answer: Answer },
): void {
  const size = answer.kind === 'part' || answer.kind === 'whole' ? answer.size : undefined;
  const etag = headerValue(reply.headers, 'etag');
  const lastModified = headerValue(reply.headers, 'last-modified');
  // A digest has one size and no versions; whoever serves it may name them as it likes.
  const sameVersion =
    facts.digest !== undefined || blobKey(address, facts.size, etag, lastModified) === facts.key;
  if (size === facts.size && sameVersion) return;
  // What a digest names cannot change, so this source is wrong; anything else has changed at the origin.
  const code = facts.digest !== undefined ? 'UPSTREAM_MISMATCHED' : 'ORIGIN_CHANGED';
  throw new P2PError(code, `${source.name} has ${size ?? 'an unknown number of'} bytes of another version`);
}
