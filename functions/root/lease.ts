import { type Claim, type Leases, UNLEASED, type Waiting } from '../blob/leases.ts';

/** A lease as it is kept. */
export interface LeaseObject {
  /** Whose it is: another for each claim. */
  readonly holder: string;
  readonly etag: string;
  /** By the clock of the store, which all who look have in common. */
  readonly ageMs: number;
}

/** Where leases are kept: objects that are written on conditions. Every call may fail with anything. */
export interface LeaseObjects {
  /** Puts a lease where there is none; its ETag, or `undefined` when there is one. */
  create(name: string, holder: string): Promise<string | undefined>;
  /** Puts a lease in place of the one with this ETag; the new ETag, or `undefined` when that is gone. */
  replace(name: string, holder: string, etag: string): Promise<string | undefined>;
  read(name: string): Promise<LeaseObject | undefined>;
  remove(name: string): Promise<void>;
}

/** What leases in a store are made of. */
export interface StoreLeasesParts {
  readonly objects: LeaseObjects;
  /** False where the store takes conditions for nothing: then everyone fetches. Asked once, and again if it fails. */
  readonly isConditional: () => Promise<boolean>;
  /** How long one counts that its holder does not renew; no crash holds others up for longer. */
  readonly leaseMs: number;
  readonly now: () => number;
  readonly random: () => number;
  /** Names a holder; never twice the same. */
  readonly newHolder: () => string;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Somebody waits for what another holds the lease of; called again and again as long as that lasts. */
  readonly waits: () => void;
  /** A lease could not be asked for, renewed or given back. */
  readonly failed: (fields: Readonly<Record<string, unknown>>) => void;
}

// From a fraction of what a small chunk takes to what nobody notices.
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;
const PAUSE_GROWTH = 1.5;
// Longer than a write takes that nothing holds back.
const LONG_PAUSE_MS = 200;
// Two renewals may fail before a lease ends.
const RENEWALS = 3;

/**
 * Leases by conditional writes: whoever puts the object fetches, and puts it again from time to time while at it; who
 * finds it there waits, and takes over one that is too old. A store that fails is no reason not to fetch.
 */
export class StoreLeases implements Leases {
  readonly #parts: StoreLeasesParts;
  #conditional: Promise<boolean> | undefined;

  constructor(parts: StoreLeasesParts) {
    this.#parts = parts;
  }

  /** Finds out what the store can do before anyone waits for that. */
  start(): void {
    this.#isConditional().catch((cause: unknown) => this.#parts.failed({ cause }));
  }

  async settled(): Promise<void> {
    await this.#conditional?.catch(() => undefined);
  }

  async claim<T>(
    name: string,
    look: () => Promise<T | undefined>,
    waiting: Waiting,
    signal: AbortSignal,
  ): Promise<Claim<T>> {
    const { objects, leaseMs, newHolder } = this.#parts;
    const holder = newHolder();
    const hold = async (etag: string): Promise<Claim<T>> => {
      const held = this.#hold(name, holder, etag);
      // It may have been kept, and its lease given back, since this asker last looked.
      const found = await look();
      if (found === undefined) return held;
      await held.release();
      return { found };
    };
    try {
      if (!(await this.#isConditional())) return UNLEASED;
      for (
        let pauseMs = FIRST_PAUSE_MS, mayCreate = true;
        ;
        pauseMs = Math.min(pauseMs * PAUSE_GROWTH, MAX_PAUSE_MS)
      ) {
        const created = mayCreate ? await objects.create(name, holder) : undefined;
        if (created !== undefined) return await hold(created);
        const lease = await objects.read(name);
        // The reply to a write may be lost, and the write tried again.
        if (lease?.holder === holder) return await hold(lease.etag);
        if (lease !== undefined && lease.ageMs > leaseMs) {
          const taken = await objects.replace(name, holder, lease.etag);
          if (taken !== undefined) return await hold(taken);
        }
        if (waiting === 'not at all') return UNLEASED;
        const found = await look();
        if (found !== undefined) return { found };
        mayCreate = lease === undefined;
        if (mayCreate && waiting === 'for one') return UNLEASED;
        if (!mayCreate && pauseMs > LONG_PAUSE_MS) this.#parts.waits();
        await this.#pause(pauseMs, signal);
      }
    } catch (cause) {
      signal.throwIfAborted();
      this.#parts.failed({ lease: name, cause });
      return UNLEASED;
    }
  }

  /** Random, so that those who wait for the same do not ask in step. */
  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return this.#parts.sleep(ms * (0.5 + this.#parts.random()), signal);
  }

  async #isConditional(): Promise<boolean> {
    this.#conditional ??= this.#parts.isConditional();
    try {
      return await this.#conditional;
    } catch (error) {
      this.#conditional = undefined;
      throw error;
    }
  }

  /** A lease in hand, renewed until it is given back or somebody has taken it over. */
  #hold(name: string, holder: string, etag: string): { readonly release: () => Promise<void> } {
    const { objects, leaseMs, now, sleep, failed } = this.#parts;
    const stop = new AbortController();
    let renewedMs = now();
    const renew = async () => {
      for (let latest: string | undefined = etag; latest !== undefined; ) {
        await sleep(leaseMs / RENEWALS, stop.signal);
        const startedMs = now();
        latest = await objects.replace(name, holder, latest);
        renewedMs = latest === undefined ? Number.NEGATIVE_INFINITY : startedMs;
      }
    };
    const renewing = renew().catch((cause: unknown) => {
      if (!stop.signal.aborted) failed({ lease: name, cause });
    });
    return {
      release: async () => {
        stop.abort();
        await renewing;
        // By now it may be somebody else's: that one is theirs to give back.
        if (now() - renewedMs >= leaseMs) return;
        await objects.remove(name).catch((cause: unknown) => failed({ lease: name, cause }));
      },
    };
  }
}
