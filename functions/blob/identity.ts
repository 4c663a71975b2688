import { createHash } from 'node:crypto';
import type { Address } from '../protocol/address.ts';
import type { BlobKey } from './chunk.ts';

const sha256Text = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Where the facts of an address are kept: its digest, else the hash of its identity. */
export const addressKey = (address: Address): string => address.digest ?? sha256Text(address.identity);

/**
 * Names the version of a blob that these validators tell apart: a digest needs none, else a strong ETag, else
 * Last-Modified with the size (RFC 9110 §8.8). `undefined` when nothing tells versions apart: do not cache.
 */
export function blobKey(
  address: Address,
  size: number,
  etag: string | undefined,
  lastModified: string | undefined,
): BlobKey | undefined {
  if (address.digest !== undefined) return address.digest;
  if (etag !== undefined && !etag.startsWith('W/'))
    return sha256Text(`${address.identity}\netag ${etag} ${size}`);
  if (lastModified !== undefined) return sha256Text(`${address.identity}\ndate ${lastModified} ${size}`);
  return undefined;
}
