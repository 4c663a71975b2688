import { addressKey, claimKey } from '../../blob/identity.ts';
import { keyOfFolder, keyPath } from '../../blob/path.ts';
import type { ChunkStore } from '../../blob/store.ts';
import type { Shelf } from '../shelf.ts';
import { emptyInventory, type KeptFacts } from '../sweep/inventory.ts';
import { type Retired, retire } from '../sweep/retire.ts';
import { onlyPage, SHARDS, survey } from '../sweep/survey.ts';
import type { PurgeTarget } from './order.ts';

/** What purging works on. */
export interface PurgeParts {
  readonly shelf: Shelf;
  readonly store: Pick<ChunkStore, 'readFacts' | 'remove'>;
  /** Drops from memory what is removed. */
  readonly release: (addressKey: string, key: string) => Promise<void>;
  readonly now: () => number;
}

/** What a purge came to. */
export interface PurgeReport {
  /** Addresses that are forgotten. */
  addresses: number;
  /** Blobs that are gone, with all their chunks. */
  blobs: number;
  bytes: number;
  /**
   * Blobs of which chunks stay for the moment, for somebody may still be reading them by a URL: the next sweep after
   * `waitMs` removes them, unless somebody wants them anew by then.
   */
  lent: { blobs: number; waitMs: number };
  /** Kept by an earlier version, which did not note where it came from: purge these by their URL. */
  unknown: number;
  /** False when time ran out: ask again with `next`. */
  isDone: boolean;
  next?: number;
}

// Shards looked at, and blobs removed, at one time.
const TOGETHER = 16;

/**
 * Forgets what a root knows of a target, and removes its chunks. Whoever asks for it then is answered by the origin.
 * Doing it twice is doing it once.
 *
 * @throws whatever the store fails with: what was purged until then is.
 */
export async function purge(
  target: PurgeTarget,
  parts: PurgeParts,
  hasTime: () => boolean,
  from = 0,
): Promise<PurgeReport> {
  const report: PurgeReport = {
    addresses: 0,
    blobs: 0,
    bytes: 0,
    lent: { blobs: 0, waitMs: 0 },
    unknown: 0,
    isDone: true,
  };
  if (target.kind === 'address') {
    const names = new Set([claimKey(target.address), addressKey(target.address)]);
    await purgeAll(await factsOf([...names], parts), parts, report);
    return report;
  }
  const only = from === 0 ? await onlyPage(parts.shelf) : undefined;
  if (only !== undefined) await purgeIn([[only]], target, parts, report);
  for (let next = from; only === undefined && next < SHARDS.length; next += TOGETHER) {
    if (!hasTime()) return { ...report, isDone: false, next };
    const shards = SHARDS.slice(next, next + TOGETHER);
    await purgeIn(
      shards.map((shard) => parts.shelf.pages(shard)),
      target,
      parts,
      report,
    );
  }
  return report;
}

async function purgeIn(
  shards: readonly Parameters<typeof survey>[0][],
  target: Exclude<PurgeTarget, { kind: 'address' }>,
  parts: PurgeParts,
  report: PurgeReport,
): Promise<void> {
  const inventory = emptyInventory();
  await Promise.all(shards.map((pages) => survey(pages, parts.store, inventory)));
  const found = inventory.facts.filter((facts) => matches(facts, target));
  // A digest's own facts tell of no source: they go with those of the address that had it.
  const shared = new Set(found.flatMap(({ digest }) => digest ?? []));
  const proven = (await factsOf([...shared], parts)).filter(({ of }) => found.some((one) => one.of === of));
  const all = new Map([...found, ...proven].map((facts) => [facts.folder, facts]));
  await purgeAll([...all.values()], parts, report);
  report.unknown += inventory.facts.filter(
    ({ source, digest, folder, of }) =>
      of !== '' && source === undefined && folder !== (digest && keyPath(digest)),
  ).length;
}

function matches({ source, digest }: KeptFacts, target: Exclude<PurgeTarget, { kind: 'address' }>): boolean {
  if (target.kind === 'digest') return digest === target.digest;
  if (source === undefined) return false;
  return target.source.endsWith('/') ? source.startsWith(target.source) : source === target.source;
}

/** The facts that are kept under these names. */
async function factsOf(names: readonly string[], { store }: PurgeParts): Promise<KeptFacts[]> {
  const read = await Promise.all(
    names.map(async (name): Promise<KeptFacts[]> => {
      const facts = await store.readFacts(name);
      if (facts === undefined) return [];
      const { source, digest, key } = facts;
      return [{ folder: keyPath(name), bytes: 0, ageMs: 0, of: keyPath(key), source, digest }];
    }),
  );
  return read.flat();
}

async function purgeAll(all: readonly KeptFacts[], parts: PurgeParts, report: PurgeReport): Promise<void> {
  const { shelf, store, release, now } = parts;
  for (let at = 0; at < all.length; at += TOGETHER) {
    const some = all.slice(at, at + TOGETHER);
    // First what leads to the chunks: nobody is told of them any more.
    await Promise.all(
      some.map(async ({ folder, of }) => {
        await store.remove(keyOfFolder(folder));
        await release(keyOfFolder(folder), keyOfFolder(of));
      }),
    );
    report.addresses += some.length;
    const blobs = [...new Set(some.map(({ of }) => of))];
    for (const gone of await Promise.all(blobs.map((folder) => retire(shelf, folder, 0, now)))) {
      count(gone, report);
    }
  }
}

function count({ isGone, objects, bytes, waitMs }: Retired, report: PurgeReport): void {
  report.bytes += bytes;
  if (!isGone) {
    report.lent.blobs += 1;
    report.lent.waitMs = Math.max(report.lent.waitMs, waitMs);
  } else if (objects > 0) report.blobs += 1;
}
