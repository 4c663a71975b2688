import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { type LeaseObjects, StoreLeases } from '../../functions/root/lease.ts';

interface Kept {
  readonly holder: string;
  readonly etag: string;
  readonly putMs: number;
}

interface Sleeper {
  readonly atMs: number;
  wake(): void;
}

/** A store of leases in memory, with the clock that all who use it sleep by. */
export interface LeaseBoard {
  readonly objects: LeaseObjects;
  readonly leases: Map<string, Kept>;
  /** What the leases are for, once it was fetched. */
  readonly stored: Map<string, string>;
  /** Every call fails. */
  fails: boolean;
  /** So many creations are done, but look as if the lease had been there. */
  losesReplies: number;
  readonly now: () => number;
  readonly newHolder: () => string;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** All who sleep now never wake: their processes are dead, or frozen. */
  kill(): void;
  /** Lets time pass until nobody sleeps any more, or for so long. */
  run(forMs?: number): Promise<void>;
}

/** An empty board at time 0. Ages are in whole seconds, as HTTP's dates are. */
export function leaseBoard(): LeaseBoard {
  const sleepers = new Set<Sleeper>();
  let nowMs = 0;
  let names = 0;
  const put = (name: string, holder: string): string => {
    names += 1;
    board.leases.set(name, { holder, etag: `"${names}"`, putMs: nowMs });
    return `"${names}"`;
  };
  const working = async () => {
    if (board.fails) throw new Error('the store fails');
  };
  const seconds = (ms: number) => Math.floor(ms / 1000) * 1000;
  const board: LeaseBoard = {
    leases: new Map(),
    stored: new Map(),
    fails: false,
    losesReplies: 0,
    objects: {
      async create(name, holder) {
        await working();
        if (board.leases.has(name)) return undefined;
        const etag = put(name, holder);
        if (board.losesReplies === 0) return etag;
        board.losesReplies -= 1;
        return undefined;
      },
      async replace(name, holder, etag) {
        await working();
        return board.leases.get(name)?.etag === etag ? put(name, holder) : undefined;
      },
      async read(name) {
        await working();
        const kept = board.leases.get(name);
        return kept && { holder: kept.holder, etag: kept.etag, ageMs: seconds(nowMs) - seconds(kept.putMs) };
      },
      async remove(name) {
        await working();
        board.leases.delete(name);
      },
    },
    now: () => nowMs,
    newHolder() {
      names += 1;
      return `holder-${names}`;
    },
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper: Sleeper = {
          atMs: nowMs + ms,
          wake() {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        });
      }),
    kill() {
      sleepers.clear();
    },
    async run(forMs = 100_000) {
      const untilMs = nowMs + forMs;
      for (;;) {
        // All that follows from what has happened happens before time goes on.
        for (let turns = 0; turns < 20; turns += 1) await turn();
        const next = [...sleepers].sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > untilMs) break;
        nowMs = next.atMs;
        next.wake();
      }
      if (forMs < 100_000) nowMs = untilMs;
    },
  };
  return board;
}

/** The leases of one process over a board, whose time stands still: nobody is taken for dead. */
export const leasesOf = ({ objects, now, newHolder }: LeaseBoard): StoreLeases =>
  new StoreLeases({
    objects,
    isConditional: async () => true,
    leaseMs: 6_000,
    now,
    random: () => 0,
    newHolder,
    sleep: (ms, signal) => wait(ms, undefined, { signal, ref: false }),
    waits: () => {},
    failed: (fields) => {
      throw new Error('a lease failed', { cause: fields.cause });
    },
  });
