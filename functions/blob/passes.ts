import { countChunks } from './chunk.ts';
import type { BlobFacts } from './facts.ts';
import { DigestPass } from './verify.ts';

/** The hashing of whole blobs that is under way, shared by all who read the same blob at once. */
export class Passes {
  readonly #passes = new Map<string, { readonly pass: DigestPass; readers: number }>();

  /** `undefined` where nothing is to be proven by it, or a chunk's digest proves it. Every `join` needs a `leave`. */
  join({ key, digest, sealed, size, chunkBytes }: BlobFacts): DigestPass | undefined {
    if (digest === undefined || sealed !== undefined || countChunks(size, chunkBytes) < 2) return undefined;
    const entry = this.#passes.get(key) ?? { pass: new DigestPass(digest), readers: 0 };
    entry.readers += 1;
    this.#passes.set(key, entry);
    return entry.pass;
  }

  leave({ key }: BlobFacts): void {
    const entry = this.#passes.get(key);
    if (entry === undefined) return;
    entry.readers -= 1;
    if (entry.readers === 0) this.#passes.delete(key);
  }

  /** Has the next reader of a blob begin anew. */
  drop(key: string): void {
    this.#passes.delete(key);
  }
}
