import type { BlobFacts } from '../blob/facts.ts';
import { formatContentDigest, parseContentDigest } from '../protocol/digest.ts';
import type { HeaderLines } from '../protocol/errors.ts';
import { headerValue, SIGNATURE_HEADER } from '../protocol/headers.ts';
import type { ClusterKeys } from './cluster-keys.ts';

/** Which chunk of which blob, version and all. */
export interface SignedChunk {
  readonly facts: Pick<BlobFacts, 'key' | 'size' | 'chunkBytes'>;
  readonly index: number;
}

/**
 * Says of a whole chunk what its digest is, so that whoever holds the Secret can believe it from anyone: as header
 * lines, or as trailers of a reply that began before the chunk was whole.
 */
export class ChunkSignatures {
  readonly #keys: ClusterKeys;

  constructor(keys: ClusterKeys) {
    this.#keys = keys;
  }

  /** Content-Digest, and X-P2P-Signature over it. The node that says so has hashed the chunk. */
  sign(chunk: SignedChunk, sha256Hex: string): Record<'content-digest' | 'x-p2p-signature', string> {
    return {
      'content-digest': formatContentDigest(sha256Hex),
      [SIGNATURE_HEADER]: this.#keys.sign('chunk', textOf(chunk, sha256Hex)),
    };
  }

  /** The sha-256 in hex that header lines or trailers say of this chunk; `undefined` unless a node of ours signed it. */
  verify(chunk: SignedChunk, lines: HeaderLines): string | undefined {
    const sha256Hex = parseContentDigest(headerValue(lines, 'content-digest'));
    const mac = headerValue(lines, SIGNATURE_HEADER);
    if (sha256Hex === undefined || mac === undefined) return undefined;
    return this.#keys.verify('chunk', textOf(chunk, sha256Hex), mac) ? sha256Hex : undefined;
  }
}

/** Each part is of a form that has no space. */
const textOf = ({ facts, index }: SignedChunk, sha256Hex: string): string =>
  `v=1 ${facts.key} ${index} ${facts.size} ${facts.chunkBytes} ${sha256Hex}`;
