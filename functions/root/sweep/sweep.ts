import { keyOfFolder, keyPath } from '../../blob/path.ts';
import type { ChunkStore } from '../../blob/store.ts';
import type { Records } from '../records.ts';
import { bytesOf, emptyInventory } from './inventory.ts';
import { removeLeftovers } from './leftovers.ts';
import { planSweep, type SweepPlan, type SweepPolicy } from './plan.ts';
import { type RehashParts, rehash } from './rehash.ts';
import { type Doomed, emptyReport, type SweepReport } from './report.ts';
import { retire } from './retire.ts';
import { loadState, type SweepState, saveReport, saveState } from './state.ts';
import { onlyPage, SHARDS, survey } from './survey.ts';

/** What a sweep works on. */
export interface SweepParts extends RehashParts {
  readonly store: Pick<ChunkStore, 'readFacts' | 'remove'>;
  readonly records: Records;
  readonly policy: SweepPolicy;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** How far one goes. */
export interface SweepOrder {
  /** Only tells what it would do: nothing is removed, nothing written. */
  readonly isDry: boolean;
  /** Whether chunks of sealed blobs are hashed again. */
  readonly rehash: boolean;
  /** False when it should come to an end, and leave where it is. */
  readonly hasTime: () => boolean;
}

// Shards, or blobs, worked on at one time.
const TOGETHER = 16;
// Stores tell times in seconds.
const ROUNDING_MS = 2_000;
// Blobs that a dry run tells one by one.
const MAX_TOLD = 1000;

/**
 * Has a root keep what it may: looks at all that is kept, and removes what nothing leads to, what nobody wanted for
 * long, and what is too much, first whatever was not used for longest. What is in use stays, and so does what is being
 * filled. One that ends for want of time is gone on with by the next; one that dies has done what it had done.
 *
 * @throws whatever the store fails with.
 */
export async function sweep(parts: SweepParts, order: SweepOrder): Promise<SweepReport> {
  const { records, now } = parts;
  const left = order.isDry ? undefined : await loadState(records, now());
  const begun = { phase: 'survey', next: 0, inventory: emptyInventory() } as const;
  const first: SweepState = left ?? { ...begun, report: emptyReport(now(), order.isDry) };
  const { report } = first;
  const steps = new Steps(parts, order);
  let state: SweepState | undefined = first;
  while (state !== undefined && order.hasTime()) state = await steps[state.phase](state);
  report.isDone = state === undefined;
  if (order.isDry) return report;
  if (state !== undefined || left !== undefined) await saveState(records, now(), state);
  if (report.isDone) await saveReport(records, report);
  return report;
}

/** Each does a part, and gives what is next; `undefined` when that was all. */
class Steps {
  readonly #parts: SweepParts;
  readonly #order: SweepOrder;
  #plan: SweepPlan | undefined;

  constructor(parts: SweepParts, order: SweepOrder) {
    this.#parts = parts;
    this.#order = order;
  }

  async survey(state: SweepState): Promise<SweepState> {
    const { inventory, report, next } = state;
    const { shelf, store } = this.#parts;
    const only = next === 0 ? await onlyPage(shelf) : undefined;
    const shards = only === undefined ? SHARDS.slice(next, next + TOGETHER) : [];
    const parts = only === undefined ? shards.map((shard) => shelf.pages(shard)) : [[only]];
    await Promise.all(parts.map((pages) => survey(pages, store, inventory)));
    if (only === undefined && next + TOGETHER < SHARDS.length) return { ...state, next: next + TOGETHER };
    const { blobs, facts, rights } = inventory;
    report.found = {
      blobs: blobs.length,
      facts: facts.length,
      rights: rights.length,
      bytes: bytesOf(inventory),
    };
    return { ...state, phase: 'remove', next: 0 };
  }

  async remove(state: SweepState): Promise<SweepState | undefined> {
    const { inventory, report, next } = state;
    const { policy, store, shelf } = this.#parts;
    const { isDry, rehash } = this.#order;
    // The same for the same inventory, however often it is made.
    this.#plan ??= planSweep(inventory, policy);
    const plan = this.#plan;
    const some = plan.blobs.slice(next, next + TOGETHER);
    await Promise.all(some.map((blob) => this.#removeBlob(blob, plan, report)));
    if (next + TOGETHER < plan.blobs.length) return { ...state, next: next + TOGETHER };
    report.overBytes = plan.overBytes;
    report.records = plan.records.length;
    if (isDry) report.doomed = plan.blobs.slice(0, MAX_TOLD).map((blob) => told(blob, plan));
    else for (const { folder } of plan.records) await store.remove(keyOfFolder(folder));
    report.leftovers = await removeLeftovers(shelf, isDry);
    return rehash && !isDry ? { ...state, phase: 'check', next: 0 } : undefined;
  }

  async check(state: SweepState): Promise<SweepState | undefined> {
    const { inventory, report, next } = state;
    const facts = inventory.facts[next];
    if (facts === undefined) return undefined;
    const { chunks, corrupt } = await rehash(facts.folder, this.#parts);
    report.checked.chunks += chunks;
    report.checked.corrupt += corrupt;
    return { ...state, next: next + 1 };
  }

  async #removeBlob(
    { folder, bytes, idleMs, reason }: SweepPlan['blobs'][number],
    { factsOf }: SweepPlan,
    report: SweepReport,
  ): Promise<void> {
    const { shelf, policy, now } = this.#parts;
    const own = factsOf.get(folder) ?? [];
    if (!report.isDry) {
      // What was used since it was looked at is not what has to go.
      const unusedMs = Math.max(policy.minIdleMs, idleMs - ROUNDING_MS);
      const { isGone } = await retire(shelf, folder, unusedMs, now);
      if (!isGone) {
        report.inUse += 1;
        return;
      }
      for (const facts of own) await this.#removeFacts(keyOfFolder(facts.folder), folder);
    }
    report.removed[reason].blobs += 1;
    report.removed[reason].bytes += bytes + own.reduce((sum, facts) => sum + facts.bytes, 0);
  }

  /** By now they may be of another version, which stays. */
  async #removeFacts(addressKey: string, blobFolder: string): Promise<void> {
    const { store } = this.#parts;
    const facts = await store.readFacts(addressKey);
    if (facts !== undefined && keyPath(facts.key) === blobFolder) await store.remove(addressKey);
  }
}

function told(blob: SweepPlan['blobs'][number], { factsOf }: SweepPlan): Doomed {
  const { folder, bytes, idleMs, reason } = blob;
  const source = factsOf.get(folder)?.find((facts) => facts.source !== undefined)?.source;
  return { folder, source, bytes, idleMs, reason };
}
