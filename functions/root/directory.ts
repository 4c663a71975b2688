import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Announcement, Member } from '../protocol/member.ts';
import { entriesFolder, entryName, memberOf } from './directory-entry.ts';

/** The name of an entry, and how long ago it was put by the store's own clock. */
export interface StoredEntry {
  readonly name: string;
  readonly ageMs: number;
}

/** Where a directory is kept: names without content. Calls fail with whatever it was. */
export interface DirectoryEntries {
  /** Puts an entry, or makes it young again. */
  put(name: string): Promise<void>;
  /** Removes an entry, if there is one. */
  remove(name: string): Promise<void>;
  /** All entries below a folder, which ends in a slash. */
  list(folder: string): Promise<readonly StoredEntry[]>;
}

/** The agents of a zone. */
export interface Listing {
  /** In the order of their ids. */
  readonly members: readonly Member[];
  /** Changes when they do. */
  readonly etag: string;
}

// An agent speaks every minute or sooner, and once more after five seconds when it was not heard.
const FORGET_MS = 75_000;
// Their agents are gone for good; they only make listings longer.
const REMOVE_MS = 10 * FORGET_MS;
// Removals that one listing may cost whoever waits for nothing but the list.
const MAX_REMOVALS = 50;
// What many agents ask within so long is listed once.
const LISTED_MS = 2_000;
// Labels of zones come with requests; this many are remembered.
const MAX_ZONES = 1_000;
// What a function's reply can take; the same ones for all who ask.
const MAX_LISTED = 10_000;

/** What a directory is made of. */
export interface DirectoryParts {
  readonly entries: DirectoryEntries;
  /** Of this process alone: how old an entry is says the store. */
  readonly now: () => number;
}

/**
 * Who is there, kept in a root's store so that all roots over it say the same, and none has to be up for it. An agent
 * that said nothing for 75 s is not listed any more.
 */
export class Directory {
  readonly #entries: DirectoryEntries;
  readonly #listings: LRUCache<string, Promise<Listing>>;

  constructor({ entries, now }: DirectoryParts) {
    this.#entries = entries;
    this.#listings = new LRUCache({ max: MAX_ZONES, ttl: LISTED_MS, ttlResolution: 0, perf: { now } });
  }

  /** Notes that an agent is there, or goes: whoever asks here from now on is told. */
  async announce({ leaving, ...member }: Announcement): Promise<void> {
    const name = entryName(member);
    await (leaving ? this.#entries.remove(name) : this.#entries.put(name));
    this.#listings.delete(member.zone);
  }

  /** The agents of a zone; at most two seconds old. */
  async list(zone: string): Promise<Listing> {
    const known = this.#listings.get(zone);
    if (known !== undefined) return known;
    const listing = this.#read(zone);
    this.#listings.set(zone, listing);
    // A store that failed is asked again by the next.
    listing.catch(() => this.#forget(zone, listing));
    return listing;
  }

  #forget(zone: string, listing: Promise<Listing>): void {
    if (this.#listings.peek(zone) === listing) this.#listings.delete(zone);
  }

  async #read(zone: string): Promise<Listing> {
    const stored = await this.#entries.list(entriesFolder(zone));
    this.#clean(stored);
    // The last word counts: of a node that moved, and of an address that another node has now.
    const young = stored.filter(({ ageMs }) => ageMs < FORGET_MS).sort((a, b) => a.ageMs - b.ageMs);
    const ids = new Set<string>();
    const urls = new Set<string>();
    const members = young.flatMap(({ name }) => {
      const member = memberOf(name);
      if (member === undefined || ids.has(member.id) || urls.has(member.url)) return [];
      ids.add(member.id);
      urls.add(member.url);
      return [member];
    });
    members.sort((a, b) => (a.id < b.id ? -1 : 1));
    const listed = members.slice(0, MAX_LISTED);
    const hash = createHash('sha256').update(JSON.stringify(listed)).digest('base64url');
    return { members: listed, etag: `"${hash.slice(0, 22)}"` };
  }

  /** Nobody waits for it, and what fails is there at the next listing. */
  #clean(stored: readonly StoredEntry[]): void {
    const dead = stored.filter(({ ageMs }) => ageMs > REMOVE_MS).slice(0, MAX_REMOVALS);
    for (const { name } of dead) this.#entries.remove(name).catch(() => undefined);
  }
}
