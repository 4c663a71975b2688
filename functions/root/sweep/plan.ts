import { bytesOf, type Inventory, type KeptBlob, type KeptFacts } from './inventory.ts';

/** Why something goes. */
export type Reason =
  /** No address leads to it any more: chunks of an old version, facts that cannot be read. */
  | 'orphaned'
  /** Nobody wanted it for `maxAgeMs`. */
  | 'aged'
  /** All together was more than `maxBytes`, and others were wanted later. */
  | 'over quota';

/** What may be kept. */
export interface SweepPolicy {
  /** Bytes of all that is kept; 0 for any number. */
  readonly maxBytes: number;
  /** How long something is kept that nobody wants; 0 for ever. */
  readonly maxAgeMs: number;
  /** Whatever was used or put within this time stays. */
  readonly minIdleMs: number;
}

/** What is to go. */
export interface SweepPlan {
  /** Folders of blobs, those first that were wanted last. */
  readonly blobs: readonly (KeptBlob & { readonly reason: Reason })[];
  /** What is known of each blob, by its folder: it goes once that has gone. */
  readonly factsOf: ReadonlyMap<string, readonly KeptFacts[]>;
  /** Folders of facts and rights that stand for nothing any more. */
  readonly records: readonly { readonly folder: string; readonly bytes: number }[];
  /** Bytes beyond `maxBytes` that stay, for all of them were used of late. */
  readonly overBytes: number;
}

// A record without a chunk costs next to nothing, and saves a question.
const RECORD_MS = 30 * 24 * 60 * 60_000;

/** What of an inventory is to go under a policy: as little as keeps it. */
export function planSweep(inventory: Inventory, policy: SweepPolicy): SweepPlan {
  const { maxBytes, maxAgeMs, minIdleMs } = policy;
  const there = new Set(inventory.blobs.map(({ folder }) => folder));
  const recordMs = Math.max(maxAgeMs === 0 ? RECORD_MS : maxAgeMs, minIdleMs);
  const records = [
    ...inventory.facts.filter(({ of, ageMs }) =>
      of === '' ? ageMs >= minIdleMs : !there.has(of) && ageMs >= recordMs,
    ),
    ...inventory.rights.filter(({ ageMs }) => ageMs >= recordMs),
  ].map(({ folder, bytes }) => ({ folder, bytes }));
  let bytes = bytesOf(inventory) - records.reduce((sum, record) => sum + record.bytes, 0);

  const factsOf = new Map<string, KeptFacts[]>();
  for (const facts of inventory.facts) {
    const others = factsOf.get(facts.of);
    if (others === undefined) factsOf.set(facts.of, [facts]);
    else others.push(facts);
  }
  const blobs: (KeptBlob & { reason: Reason })[] = [];
  const oldestFirst = [...inventory.blobs].sort((a, b) => b.idleMs - a.idleMs);
  const left = oldestFirst.filter((blob) => {
    const reason = reasonOf(blob);
    if (reason === undefined) return true;
    take(blob, reason);
    return false;
  });
  for (const blob of left) {
    if (maxBytes === 0 || bytes <= maxBytes || blob.idleMs < minIdleMs) break;
    take(blob, 'over quota');
  }
  return { blobs, factsOf, records, overBytes: maxBytes === 0 ? 0 : Math.max(0, bytes - maxBytes) };

  function reasonOf({ folder, idleMs }: KeptBlob): Reason | undefined {
    if (idleMs < minIdleMs) return undefined;
    if (!factsOf.has(folder)) return 'orphaned';
    return maxAgeMs > 0 && idleMs >= maxAgeMs ? 'aged' : undefined;
  }

  function take(blob: KeptBlob, reason: Reason): void {
    blobs.push({ ...blob, reason });
    bytes -= blob.bytes;
    for (const facts of factsOf.get(blob.folder) ?? []) bytes -= facts.bytes;
  }
}
