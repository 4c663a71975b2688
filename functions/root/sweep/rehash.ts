import type { Chunk, ChunkId } from '../../blob/chunk.ts';
import { sha256Hex } from '../../blob/hash.ts';
import { keyOfFolder, keyPath } from '../../blob/path.ts';
import type { ChunkStore } from '../../blob/store.ts';
import type { Shelf } from '../shelf.ts';

/** What checking chunks takes. */
export interface RehashParts {
  readonly shelf: Shelf;
  readonly store: Pick<ChunkStore, 'readFacts'>;
  /** Reads a chunk, whatever was known of it before; `undefined` when it is not what was written. */
  readonly verify: (id: ChunkId) => Promise<Chunk | undefined>;
}

/**
 * Hashes the chunks of a blob whose digest is proven, and removes those that are not what they were: a chunk that rots
 * is found before somebody waits for it. Blobs that are not proven are hashed when they are read.
 */
export async function rehash(
  factsFolder: string,
  { shelf, store, verify }: RehashParts,
): Promise<{ readonly chunks: number; readonly corrupt: number }> {
  const facts = await store.readFacts(keyOfFolder(factsFolder));
  const counts = { chunks: 0, corrupt: 0 };
  if (facts?.sealed === undefined) return counts;
  const { key, chunkBytes, sealed } = facts;
  const folder = `${keyPath(key)}/${chunkBytes}/`;
  for await (const page of shelf.pages(folder)) {
    for (const { name } of page) {
      const index = Number(name.slice(folder.length));
      const chunk = await verify({ key, chunkBytes, index });
      counts.chunks += 1;
      const isRight = chunk !== undefined && (await sha256Hex(chunk.bytes)) === sealed[index];
      if (isRight) continue;
      await shelf.remove([name]);
      counts.corrupt += 1;
    }
  }
  return counts;
}
