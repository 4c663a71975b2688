import { createHash } from 'node:crypto';
import type { Address } from '../protocol/address.ts';
import type { BlobKey } from './chunk.ts';

// The address of a blob that is read again and again is hashed once.
const claimKeys = new WeakMap<Address, string>();

const sha256Text = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Where the facts that are proven, or that need no proof, are kept: the digest, else the hash of the identity. Of a
 * manifest the digest proves the bytes but not the media type beside them, which changes what they mean: each
 * repository's is kept apart.
 */
export const addressKey = (address: Address): string =>
  address.isManifest ? claimKey(address) : (address.digest ?? claimKey(address));

/**
 * Where the facts are kept that an origin tells in one scope. What it says of a digest is a claim until the whole
 * blob has been hashed, so no origin speaks for the clients of another; and that a repository has a digest is what
 * lets those read it here who may read that repository, so none speaks for the clients of another either.
 */
export function claimKey(address: Address): string {
  const known = claimKeys.get(address);
  if (known !== undefined) return known;
  const { digest, isManifest, identity, scope } = address;
  const key = sha256Text(
    digest === undefined ? identity : `${isManifest ? 'manifest' : 'claim'}\n${digest} ${scope}`,
  );
  claimKeys.set(address, key);
  return key;
}

/**
 * What a request needs the right to read: the scope, or of what has no digest this very version of it, for the same
 * URL may hold something else for everyone who asks.
 */
export const rightOf = ({ digest, scope }: Address, facts: { readonly key: BlobKey } | undefined): string =>
  digest === undefined ? (facts?.key ?? scope) : scope;

/**
 * Names the chunks of the version of a blob that these validators tell apart: for a digest by size and by who answers
 * for it, which is a registry for all its repositories, and any other URL for itself alone, for a host of many may
 * have something else under the same name elsewhere; else by a strong ETag, else by Last-Modified with the size (RFC 9110 §8.8). `undefined` when nothing tells
 * versions apart: do not cache.
 */
export function blobKey(
  address: Address,
  size: number,
  etag: string | undefined,
  lastModified: string | undefined,
): BlobKey | undefined {
  if (address.digest !== undefined) {
    const { digest, origin, identity, scope } = address;
    return sha256Text(`${digest} ${scope === identity ? identity : `registry ${origin}`} ${size}`);
  }
  if (etag !== undefined && !etag.startsWith('W/')) {
    return sha256Text(`${address.identity}\netag ${etag} ${size}`);
  }
  if (lastModified !== undefined) return sha256Text(`${address.identity}\ndate ${lastModified} ${size}`);
  return undefined;
}
