import type { Logger } from '../../functions/service/log.ts';
import type { DirectoryClient } from './directory-client.ts';
import type { Member } from './member.ts';
import { around, type Pace } from './pace.ts';

/** What finding siblings by the roots takes. */
export interface DirectorySiblingsParts {
  /** In the order of RootList: all agents ask the first that answers, so they meet where roots share no store. */
  readonly directories: readonly DirectoryClient[];
  readonly self: Member;
  readonly found: (members: readonly Member[]) => void;
  readonly pace: Pace;
  readonly log: Logger;
}

// A root forgets who says nothing for 75 s: one announcement that was not heard can be made again.
const ANNOUNCE_MS = 45_000;
// In a small cluster a newcomer is found in seconds. In a big one a list costs the roots more, and one sibling more or
// less changes little: it is asked for no more than 50 times a second by all agents together, up to this.
const MIN_LIST_MS = 4_000;
const LIST_MS_EACH = 20;
const MAX_LIST_MS = 50_000;
const MIN_RETRY_MS = 4_000;
const MAX_RETRY_MS = 30_000;
// A root that failed is passed over for so long; then all go back to it.
const PASS_OVER_MS = 30_000;
// Known from a root that does not answer any more, or one that has lost what it knew.
const FORGET_MS = 60_000;
const GOODBYE_MS = 2_000;

interface Seen {
  readonly member: Member;
  readonly by: DirectoryClient;
  readonly atMs: number;
}

/** Siblings by the roots' directory: says to it that this agent is there, and asks who else is. */
export class DirectorySiblings {
  readonly #parts: DirectorySiblingsParts;
  readonly #passOverUntilMs = new Map<DirectoryClient, number>();
  #seen = new Map<string, Seen>();
  #home: DirectoryClient | undefined;
  #announceAtMs = 0;
  #failures = 0;
  /** Lists in a row that have another node under this one's id. */
  #strangers = 0;

  constructor(parts: DirectorySiblingsParts) {
    this.#parts = parts;
  }

  /** Announces and asks until the signal; fulfils when it has said goodbye. */
  async run(signal: AbortSignal): Promise<void> {
    const { pace } = this.#parts;
    while (!signal.aborted) {
      const pauseMs = await this.#turn(signal);
      if (!signal.aborted) await pace.sleep(pauseMs, signal);
    }
    const { self } = this.#parts;
    // What is not heard is forgotten soon enough.
    await this.#home
      ?.announce({ ...self, leaving: true }, AbortSignal.timeout(GOODBYE_MS))
      .catch(() => undefined);
  }

  /** Asks the first root that answers; gives how long to wait before the next time. */
  async #turn(signal: AbortSignal): Promise<number> {
    const { directories, pace, log } = this.#parts;
    const isWell = (one: DirectoryClient) => (this.#passOverUntilMs.get(one) ?? 0) <= pace.now();
    // Those that failed of late are better than none.
    const inTurn = [...directories.filter(isWell), ...directories.filter((one) => !isWell(one))];
    for (const directory of inTurn) {
      try {
        await this.#ask(directory, signal);
        if (this.#failures > 0) log.info({ root: directory.root }, 'directory_found');
        this.#failures = 0;
        const listMs = Math.min(MAX_LIST_MS, Math.max(MIN_LIST_MS, this.#seen.size * LIST_MS_EACH));
        const untilAnnounceMs = Math.max(MIN_LIST_MS, this.#announceAtMs - pace.now());
        return Math.min(around(listMs, pace.random), untilAnnounceMs);
      } catch (cause) {
        if (signal.aborted) return 0;
        if (directory === this.#home) this.#home = undefined;
        this.#passOverUntilMs.set(directory, pace.now() + PASS_OVER_MS);
        if (this.#failures === 0) log.warn({ root: directory.root, cause }, 'directory_failed');
      }
    }
    this.#failures += 1;
    return around(Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (this.#failures - 1)), pace.random);
  }

  async #ask(directory: DirectoryClient, signal: AbortSignal): Promise<void> {
    const { self, pace } = this.#parts;
    if (directory !== this.#home || pace.now() >= this.#announceAtMs) {
      await directory.announce({ ...self, leaving: false }, signal);
      this.#home = directory;
      this.#announceAtMs = pace.now() + around(ANNOUNCE_MS, pace.random);
    }
    this.#take(directory, await directory.list(self.zone, signal));
  }

  #take(by: DirectoryClient, listed: readonly Member[]): void {
    const { self, pace, found } = this.#parts;
    const atMs = pace.now();
    const seen = new Map(listed.map((member) => [member.id, { member, by, atMs }]));
    // A list without this agent is of a root that has lost what it was told: it says nothing of who is gone.
    const isWhole = seen.get(self.id)?.member.url === self.url;
    for (const [id, old] of this.#seen) {
      const isGone = old.by === by && isWhole;
      if (!seen.has(id) && !isGone && atMs - old.atMs < FORGET_MS) seen.set(id, old);
    }
    if (isWhole) this.#strangers = 0;
    else this.#lost(seen.get(self.id)?.member);
    this.#seen = seen;
    found([...seen.values()].map(({ member }) => member));
  }

  #lost(other: Member | undefined): void {
    const { self, pace, log } = this.#parts;
    if (other === undefined) {
      this.#announceAtMs = pace.now();
      return;
    }
    // The first may be what this node itself has said before it moved.
    this.#strangers += 1;
    if (this.#strangers !== 2) return;
    const remedy =
      'its data was copied from there: stop one of them, remove node-id in its cache folder, start it';
    log.error({ id: self.id, here: self.url, there: other.url, remedy }, 'node_id_shared');
  }
}
