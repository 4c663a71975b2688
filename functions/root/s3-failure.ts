import { P2PError } from '../protocol/errors.ts';
import type { Settings } from '../service/config/settings.ts';

// When a condition does not hold, or another write with one is under way (S3 user guide, "Conditional writes").
const CONDITION_FAILED = new Set<unknown>([409, 412]);
// A store that has never heard of a header may take it for a fault of the request.
const UNSUPPORTED = new Set<unknown>([400, 501]);

/** The status that S3 failed a call of the SDK with, if it came to that. */
export const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;

/** True when a write was refused for its condition: that none is there, or the one that has the ETag. */
export function isConditionFailure(cause: unknown, condition: 'none' | { readonly etag: string }): boolean {
  // An object that If-Match names may be gone altogether.
  return CONDITION_FAILED.has(statusOf(cause)) || (condition !== 'none' && statusOf(cause) === 404);
}

/** True for what a store fails with that does not know what it was asked for. */
export const isUnsupported = (cause: unknown): boolean => UNSUPPORTED.has(statusOf(cause));

/** Why a bucket cannot be used, with what S3 said. */
export function unusable({ Endpoint, Bucket }: NonNullable<Settings['S3']>, cause: unknown): P2PError {
  const said = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  const message = `S3: bucket "${Bucket}" at ${Endpoint} cannot be used (${said}); check Endpoint, Bucket and the keys`;
  return new P2PError('CONFIG_INVALID', message, { cause });
}
