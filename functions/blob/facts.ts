import type CachePolicy from 'http-cache-semantics';
import type { Digest } from '../protocol/digest.ts';
import type { BlobKey } from './chunk.ts';

/** What is known of the blob behind an address: enough to answer without asking anyone, for as long as it is fresh. */
export interface BlobFacts {
  readonly key: BlobKey;
  /** Bytes. */
  readonly size: number;
  readonly chunkBytes: number;
  /** The digest that the address promises; `undefined` when it names none. */
  readonly digest?: Digest;
  /** Validators as the origin sent them. */
  readonly etag?: string;
  readonly lastModified?: string;
  /** Representation headers that a reply repeats: Content-Type and its like, lower-case. */
  readonly headers: Readonly<Record<string, string>>;
  /** How long this holds (RFC 9111); absent when the address has a digest, for that never changes. */
  readonly freshness?: CachePolicy.CachePolicyObject;
  /** True when the origin answers ranged requests with the whole blob. */
  readonly rangeless?: boolean;
  /** The sha-256 of every chunk, hex, once the whole blob has matched its digest. */
  readonly sealed?: readonly string[];
}
