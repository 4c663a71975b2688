import { createHash } from 'node:crypto';
import type { Digest } from '../protocol/digest.ts';
import type { Chunk } from './chunk.ts';

/**
 * Hashes a blob whole, once, however many readers there are: each offers every chunk in order, the pass takes
 * the one it needs next and only compares the others. So when a reader has offered its last chunk, all that it
 * read was hashed, by itself or by a reader ahead of it.
 */
export class DigestPass {
  readonly #digest: Digest;
  readonly #hash = createHash('sha256');
  readonly #sums: string[] = [];
  #result: string | undefined;

  constructor(digest: Digest) {
    this.#digest = digest;
  }

  /** Takes chunk `index`; `false` when its bytes are not those that were hashed for this index. */
  offer(index: number, chunk: Chunk): boolean {
    const { bytes, sha256 } = chunk;
    if (index === this.#sums.length && this.#result === undefined && sha256 !== undefined) {
      this.#hash.update(bytes);
      this.#sums.push(sha256);
    }
    return sha256 !== undefined && this.#sums[index] === sha256;
  }

  /** The chunks' digests when the blob of `count` chunks is what its digest says, else `undefined`. */
  verdict(count: number): readonly string[] | undefined {
    if (this.#sums.length !== count) return undefined;
    this.#result ??= this.#hash.digest('hex');
    return `sha256:${this.#result}` === this.#digest ? this.#sums : undefined;
  }
}
