import type { Blob } from '../blob/blob.ts';
import { ageSeconds, type BlobFacts } from '../blob/facts.ts';
import type { HeaderLines } from '../protocol/errors.ts';
import { formatGrant } from '../protocol/grant.ts';
import {
  ACCESS_HEADER,
  BLOB_HEADER,
  formatBlobLine,
  PROXY_NAME,
  SOURCE_HEADER,
} from '../protocol/headers.ts';
import type { BlobRequest } from './blob-request.ts';

/** The headers that say of a blob what it is and who serves it. */
export class BlobHeaders {
  readonly #self: string;
  readonly #now: () => number;
  /** What is the same in every reply of a blob. */
  readonly #known = new WeakMap<BlobFacts, HeaderLines>();

  constructor(self: string, now: () => number) {
    this.#self = self;
    this.#now = now;
  }

  of({ node }: BlobRequest, { facts, grant }: Blob): HeaderLines {
    let headers = this.#known.get(facts);
    if (headers === undefined) {
      headers = {
        ...facts.headers,
        via: `1.1 ${PROXY_NAME}`,
        [SOURCE_HEADER]: this.#self,
        [BLOB_HEADER]: formatBlobLine({ ...facts, key: facts.digest ?? facts.key }),
      };
      this.#known.set(facts, headers);
    }
    if (node === undefined) return headers;
    // Only a node of ours serves it on to others.
    return { ...headers, [ACCESS_HEADER]: formatGrant(grant, this.#now()) };
  }
}

/** Age (RFC 9111 §5.1) and Cache-Status (RFC 9211) of what is served from here. */
export const hit = (facts: BlobFacts, nowMs: number): HeaderLines => ({
  age: String(ageSeconds(facts, nowMs)),
  'cache-status': `${PROXY_NAME}; hit`,
});

/** What another cache has kept for a while is that old here too; what the origin just vouched for has no age. */
export function miss(facts: BlobFacts, nowMs: number): HeaderLines {
  const seconds = ageSeconds(facts, nowMs);
  return {
    ...(seconds > 0 ? { age: String(seconds) } : {}),
    'cache-status': `${PROXY_NAME}; fwd=miss`,
  };
}
