import { LAYOUT } from '../../blob/path.ts';
import type { Shelf } from '../shelf.ts';

// No lease is held, and no file written, for as long.
const LEFT_MS = 60 * 60_000;

/** Where processes leave what they did not get to remove: leases, and half-written files of a folder. */
const FOLDERS = ['lease/', `${LAYOUT}/.tmp/`];

/** Removes what processes that died have left, or only counts it. */
export async function removeLeftovers(shelf: Shelf, isDry: boolean): Promise<number> {
  let count = 0;
  for (const folder of FOLDERS) {
    for await (const page of shelf.pages(folder)) {
      const left = page.filter(({ ageMs }) => ageMs >= LEFT_MS).map(({ name }) => name);
      if (!isDry) await shelf.remove(left);
      count += left.length;
    }
  }
  return count;
}
