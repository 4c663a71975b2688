import { createHash } from 'node:crypto';
import type { Address } from '../protocol/address.ts';
import type { BlobKey } from './chunk.ts';

const sha256Text = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Where the facts that are proven, or that need no proof, are kept: the digest, else the hash of the identity. Of a
 * manifest the digest proves the bytes but not the media type beside them, which changes what they mean: each
 * origin's is kept apart.
 */
export const addressKey = (address: Address): string =>
  address.isManifest ? claimKey(address) : (address.digest ?? sha256Text(address.identity));

/**
 * Where the facts that one origin tells are kept. What an origin says of a digest is a claim until the whole
 * blob has been hashed: it is kept by digest and origin, so that no origin speaks for the clients of another.
 */
export function claimKey({ digest, isManifest, origin, identity }: Address): string {
  if (digest === undefined) return sha256Text(identity);
  return sha256Text(`${isManifest ? 'manifest' : 'claim'}\n${digest} ${origin}`);
}

/**
 * Names the chunks of the version of a blob that these validators tell apart: for a digest by claim and size,
 * else by a strong ETag, else by Last-Modified with the size (RFC 9110 §8.8). `undefined` when nothing tells
 * versions apart: do not cache.
 */
export function blobKey(
  address: Address,
  size: number,
  etag: string | undefined,
  lastModified: string | undefined,
): BlobKey | undefined {
  if (address.digest !== undefined) return sha256Text(`${claimKey(address)} ${size}`);
  if (etag !== undefined && !etag.startsWith('W/')) {
    return sha256Text(`${address.identity}\netag ${etag} ${size}`);
  }
  if (lastModified !== undefined) return sha256Text(`${address.identity}\ndate ${lastModified} ${size}`);
  return undefined;
}
