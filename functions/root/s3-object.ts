import type { HeaderLines } from '../protocol/errors.ts';
import { headerValue } from '../protocol/headers.ts';

// The digest travels as metadata of the object, so that one request brings the bytes and what they should be.
export const DIGEST_METADATA = 'sha256';
export const DIGEST_HEADER = `x-amz-meta-${DIGEST_METADATA}`;

/** An object as S3 sent it. */
export interface S3Object {
  readonly bytes: Uint8Array;
  readonly headers: HeaderLines;
}

/** How long ago an object was put by S3's own clock, milliseconds. */
export function ageOf({ headers }: S3Object): number {
  const time = (header: string) => Date.parse(headerValue(headers, header) ?? '');
  const ageMs = time('date') - time('last-modified');
  if (Number.isNaN(ageMs)) throw new Error('S3 does not say when an object was put');
  return ageMs;
}

/** An object as S3 lists it. */
export interface ListedObject {
  readonly name: string;
  readonly bytes: number;
  /** By S3's own clock; less than 0 of what was put in this second, of which its `Date` tells no part. */
  readonly ageMs: number;
}

/** An object to be put. */
export interface S3Upload {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** sha-256 of the bytes, hex: S3 refuses others, and keeps it beside them. */
  readonly sha256?: string;
  /** Only if there is none, or only in place of the one with this ETag. */
  readonly condition?: 'none' | { readonly etag: string };
}

/** What a read of an object comes to that is longer than the reader can use. */
export class TooLong extends Error {}
