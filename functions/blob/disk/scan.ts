import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isCachePath, isMarkPath, LAYOUT } from '../path.ts';
import type { Found } from './ledger.ts';
import { isMissing, TEMPORARY } from './placing.ts';

// A file stat at a time would make a scan of a large cache last minutes; this many keep the thread pool busy.
const BATCH = 64;

/** What lies in a cache's folder. */
export interface Scan {
  readonly found: readonly Found[];
  /** False when something in it could not be looked at: what was not found may be there still. */
  readonly isWhole: boolean;
}

/**
 * Looks at all files of a cache's folder, and removes those that are none of its; `undefined` when stopped.
 *
 * @throws Error of the system, when the folder itself cannot be read.
 */
export async function scanFolder(root: string, isStopped: () => boolean): Promise<Scan | undefined> {
  const found: Found[] = [];
  let isWhole = true;
  const passOver = (cause: unknown) => {
    isWhole &&= isMissing(cause);
  };
  let batch: Promise<void>[] = [];
  for await (const path of filesBelow(root, LAYOUT, passOver)) {
    if (isStopped()) return undefined;
    batch.push(examine(root, path, found, passOver));
    if (batch.length === BATCH) {
      await Promise.all(batch);
      batch = [];
    }
  }
  await Promise.all(batch);
  return { found, isWhole };
}

async function examine(
  root: string,
  path: string,
  found: Found[],
  passOver: (cause: unknown) => void,
): Promise<void> {
  // Marks are empty, and for those who put them to remove.
  if (path.startsWith(`${TEMPORARY}/`) || isMarkPath(path)) return;
  const file = join(root, path);
  if (!isCachePath(path)) {
    // One that cannot be removed is not counted and never served.
    await rm(file, { force: true }).catch(() => {});
    return;
  }
  // Evicted since the folder was listed: nothing to enter.
  const facts = await stat(file).catch(passOver);
  if (facts !== undefined)
    found.push({ path, bytes: facts.size, usedMs: Math.max(facts.mtimeMs, facts.atimeMs) });
}

/** The paths of all files below a folder of `root`. A folder below that cannot be read is passed over, as is one that goes meanwhile. */
async function* filesBelow(
  root: string,
  folder: string,
  passOver: (cause: unknown) => void,
): AsyncGenerator<string, void, undefined> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((cause: unknown) => {
    if (folder === LAYOUT) throw cause;
    passOver(cause);
    return [];
  });
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(root, path, passOver);
    else yield path;
  }
}
