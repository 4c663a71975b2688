import { keyOfFolder, keyPath, LAYOUT, parsePath } from '../../blob/path.ts';
import type { ChunkStore } from '../../blob/store.ts';
import type { Kept, Shelf } from '../shelf.ts';
import type { Inventory } from './inventory.ts';

/** The folders of the first level: `v1/00/` to `v1/ff/`. */
export const SHARDS: readonly string[] = Array.from(
  { length: 256 },
  (_, n) => `${LAYOUT}/${n.toString(16).padStart(2, '0')}/`,
);

// Facts read at one time, of a shard.
const TOGETHER = 32;

/** All that is kept, if one page has it: a small store is not asked for each of its shards. */
export async function onlyPage(shelf: Pick<Shelf, 'pages'>): Promise<readonly Kept[] | undefined> {
  let only: readonly Kept[] | undefined;
  for await (const page of shelf.pages(`${LAYOUT}/`)) {
    if (only !== undefined) return undefined;
    only = page;
  }
  return only ?? [];
}

/**
 * Adds what is in some pages to an inventory. Facts are read for what blob they are of.
 *
 * @throws whatever the shelf fails with, STORE_READ_FAILED: an inventory that lacks facts would have their blobs look
 * unwanted.
 */
export async function survey(
  pages: AsyncIterable<readonly Kept[]> | Iterable<readonly Kept[]>,
  store: Pick<ChunkStore, 'readFacts'>,
  inventory: Inventory,
): Promise<void> {
  const found = new Map<string, Kept[]>();
  const facts: { readonly folder: string; readonly kept: Kept }[] = [];
  for await (const page of pages) {
    for (const kept of page) {
      const parsed = parsePath(kept.name);
      if (parsed === undefined) continue;
      const { folder, kind } = parsed;
      if (kind === 'facts') facts.push({ folder, kept });
      else if (kind === 'access') inventory.rights.push({ folder, bytes: kept.bytes, ageMs: kept.ageMs });
      else {
        const others = found.get(folder);
        if (others === undefined) found.set(folder, [kept]);
        else others.push(kept);
      }
    }
  }
  for (const [folder, kept] of found) {
    const bytes = kept.reduce((sum, one) => sum + one.bytes, 0);
    // That a sweep was removing it does not make it wanted.
    const wanted = kept.filter(({ name }) => parsePath(name)?.kind !== 'doomed');
    const idleMs = youngest(wanted.length > 0 ? wanted : kept);
    inventory.blobs.push({ folder, bytes, idleMs });
  }
  for (let at = 0; at < facts.length; at += TOGETHER) {
    await Promise.all(
      facts.slice(at, at + TOGETHER).map(async ({ folder, kept: { bytes, ageMs } }) => {
        const read = await store.readFacts(keyOfFolder(folder));
        const of = read === undefined ? '' : keyPath(read.key);
        inventory.facts.push({ folder, bytes, ageMs, of, source: read?.source, digest: read?.digest });
      }),
    );
  }
}

const youngest = (kept: readonly Kept[]): number =>
  kept.reduce((least, { ageMs }) => Math.min(least, ageMs), Number.MAX_SAFE_INTEGER);
