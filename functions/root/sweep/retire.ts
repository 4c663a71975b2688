import { doomedPath, markPath, parsePath } from '../../blob/path.ts';
import { DOOMED_MS, protectedMs } from '../recency.ts';
import type { Kept, Shelf } from '../shelf.ts';

/** What came of removing a blob. */
export interface Retired {
  /** False when somebody may still be reading its chunks, who was told where they are: nothing was removed. */
  readonly isGone: boolean;
  readonly objects: number;
  readonly bytes: number;
  /** After how long it may be gone, where it is not. */
  readonly waitMs: number;
}

/**
 * Removes all that is kept in the folder of a blob, unless it was used less than `minIdleMs` ago, or some of its chunks
 * were handed out and may still be read: whoever hands one out meanwhile sees that the blob is doomed, or is seen here.
 * Nor does it where somebody else is removing it.
 *
 * @throws whatever the shelf fails with; some of it may have gone by then, and the rest goes another time.
 */
export async function retire(
  shelf: Shelf,
  folder: string,
  minIdleMs: number,
  now: () => number,
): Promise<Retired> {
  const isLent = shelf.lentMs > 0;
  const startedMs = now();
  // Of two who remove it, the first to end would take the doom away from over what the other still removes.
  if (isLent && !(await shelf.claim(doomedPath(folder), DOOMED_MS)))
    return { isGone: false, objects: 0, bytes: 0, waitMs: DOOMED_MS };
  let removed = { objects: 0, bytes: 0 };
  const found: (readonly Kept[])[] = [];
  for await (const page of shelf.pages(`${folder}/`)) found.push(page);
  const kept = found.flat().filter(({ name }) => parsePath(name)?.kind !== 'doomed');
  const lent = kept.find(({ name }) => name === markPath(folder, 'lent'));
  const waitMs = kept.reduce(
    (most, { ageMs }) => Math.max(most, minIdleMs - ageMs),
    lent === undefined ? 0 : protectedMs(shelf) - lent.ageMs,
  );
  if (waitMs <= 0) {
    for (let at = 0; at < kept.length; at += PAGE) {
      // From half of it on somebody might take the doom for one that a crash has left.
      if (now() - startedMs > DOOMED_MS / 2) throw new Error(`removing ${folder} takes too long`);
      const page = kept.slice(at, at + PAGE);
      await shelf.remove(page.map(({ name }) => name));
      removed = {
        objects: removed.objects + page.length,
        bytes: removed.bytes + page.reduce((sum, { bytes }) => sum + bytes, 0),
      };
    }
  }
  if (isLent) await shelf.remove([doomedPath(folder)]);
  return { isGone: waitMs <= 0, ...removed, waitMs: Math.max(0, waitMs) };
}

const PAGE = 1000;
