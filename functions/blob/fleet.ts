import { LRUCache } from 'lru-cache';
import type { Address } from '../protocol/address.ts';
import { type HeaderLines, hasCode } from '../protocol/errors.ts';
import type { Access } from './access/access.ts';
import type { Ask } from './ask.ts';
import { board } from './askers.ts';
import type { Catalog } from './catalog.ts';
import type { Chunk } from './chunk.ts';
import { ChunkPool } from './chunk-memory.ts';
import type { ChunkSource } from './chunk-source.ts';
import type { ReaderEvents } from './events.ts';
import type { BlobFacts } from './facts.ts';
import type { OpenReply } from './fill.ts';
import { Flight } from './flight.ts';
import { addressKey, claimKey } from './identity.ts';
import { Journey } from './journey.ts';
import type { Leases } from './leases.ts';
import type { LookAhead } from './look-ahead.ts';
import { Passes } from './passes.ts';
import { chunkPath } from './path.ts';
import { type Adopted, Pilot } from './pilot.ts';
import type { ChunkStore, Extent } from './store.ts';
import { StoredChunks, type WantedChunk, wantedOf } from './stored-chunks.ts';
import type { Upstream } from './upstream.ts';
import type { DigestPass } from './verify.ts';

/** What a fleet is made of. */
export interface FleetParts {
  readonly store: ChunkStore;
  readonly upstream: Upstream;
  readonly catalog: Catalog;
  readonly access: Access;
  readonly chunkBytes: number;
  readonly lookAhead: LookAhead;
  readonly events: ReaderEvents;
  /** Where other processes fetch into the same store. */
  readonly leases?: Leases | undefined;
  /** For tests: overwrite the memory of chunks that nobody holds, so that a use after release shows. */
  readonly poison?: boolean;
  readonly sumsAll: boolean;
  readonly mostKeeping?: number | undefined;
}

// After a digest mismatch the nodes above are asked not to answer from their caches for this long.
const SUSPECT_MS = 60_000;

/** Hands out the chunks of blobs: from the store, from a flight under way, or by a new one from the upstream. */
export class Fleet implements ChunkSource {
  readonly lookAhead: LookAhead;
  readonly #parts: FleetParts;
  readonly #pilot: Pilot;
  readonly #stored: StoredChunks;
  readonly #pool: ChunkPool;
  readonly #flights = new Map<string, Flight>();
  /** Chunks asked for ahead of which it is not known yet whether they have to be fetched. */
  readonly #departing = new Set<string>();
  readonly #passes = new Passes();
  readonly #suspects = new LRUCache<string, true>({ max: 1000, ttl: SUSPECT_MS });
  /** Flights and writes under way. */
  readonly #working = new Set<Promise<void>>();

  constructor(parts: FleetParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#stored = new StoredChunks(parts.store, parts.events, parts.sumsAll, parts.mostKeeping);
    this.#pool = new ChunkPool(parts.chunkBytes, parts.poison);
    this.lookAhead = parts.lookAhead;
    this.#pilot = new Pilot({ ...parts, stored: this.#stored }, this, signal);
  }

  /** Flights under way. */
  get size(): number {
    return this.#flights.size;
  }

  glance(facts: BlobFacts, index: number): Chunk | undefined {
    const chunk = this.#stored.peek(wantedOf(facts, index));
    chunk?.memory?.retain();
    return chunk;
  }

  ready(ask: Ask, facts: BlobFacts, index: number): Flight | undefined {
    const wanted = wantedOf(facts, index);
    const hot = this.#stored.peek(wanted);
    if (hot !== undefined) {
      const flight = this.#flightOf(wanted);
      flight.from = 'memory';
      flight.land(hot);
      return flight;
    }
    const flying = this.#flights.get(chunkPath(wanted.id));
    if (flying !== undefined) board(flying, ask);
    return flying;
  }

  extent(facts: BlobFacts, index: number, asFile: boolean): Promise<Extent | undefined> {
    return this.#stored.extent(wantedOf(facts, index), asFile);
  }

  peekExtent(facts: BlobFacts, index: number): Extent | undefined {
    return this.#stored.peekExtent(wantedOf(facts, index));
  }

  flight(ask: Ask, facts: BlobFacts, index: number): Flight {
    const ready = this.ready(ask, facts, index);
    if (ready !== undefined) return ready;
    const flight = this.#flightOf(wantedOf(facts, index));
    this.#launch(flight, ask, facts);
    return flight;
  }

  /** The flight of a chunk that is under way. */
  coming(facts: BlobFacts, index: number): Flight | undefined {
    return this.#flights.get(chunkPath(wantedOf(facts, index).id));
  }

  hasLanded(facts: BlobFacts, index: number): boolean {
    const path = chunkPath(wantedOf(facts, index).id);
    if (this.#departing.has(path)) return false;
    const flight = this.#flights.get(path);
    return flight === undefined || flight.filled === flight.length;
  }

  ahead(ask: Ask, facts: BlobFacts, index: number, asFile: boolean, ended: () => void): boolean {
    const ready = this.ready(ask, facts, index);
    if (ready !== undefined) {
      void ready.landed.then(ended, ended);
      return true;
    }
    if (this.#pilot.filling >= this.#parts.lookAhead.total) return false;
    const path = chunkPath(wantedOf(facts, index).id);
    this.#departing.add(path);
    // A stored chunk that can be read where it is needs no fetching into memory.
    void this.extent(facts, index, asFile).then((extent) => {
      this.#departing.delete(path);
      if (extent === undefined) void this.flight(ask, facts, index).landed.then(ended, ended);
      else ended();
    });
    return true;
  }

  joinPass(facts: BlobFacts): DigestPass | undefined {
    return this.#passes.join(facts);
  }

  leavePass(facts: BlobFacts): void {
    this.#passes.leave(facts);
  }

  async seal(address: Address, facts: BlobFacts, sealed: readonly string[]): Promise<void> {
    const { catalog } = this.#parts;
    const { freshUntilMs: _, ...proven } = facts;
    const own = catalog.remember(claimKey(address), { ...proven, sealed });
    if (addressKey(address) === claimKey(address)) return own;
    // The digest proves the bytes. What this origin says beside them is not for the clients of others.
    const { key, size, chunkBytes, digest, confirmedAtMs } = facts;
    const headers = { 'content-type': 'application/octet-stream' };
    const shared = { key, size, chunkBytes, ...(digest && { digest }), headers, confirmedAtMs, sealed };
    await Promise.all([own, catalog.remember(addressKey(address), shared)]);
  }

  async quarantine(address: Address, facts: BlobFacts): Promise<void> {
    this.#parts.events.failed('digest_mismatched', { key: facts.key, url: address.identity });
    this.suspect(address);
    await this.drop(address, facts);
  }

  count(from: string, bytes: number, chunks: number): void {
    this.#parts.events.served(from, bytes, chunks);
  }

  /**
   * Lets the reply that told the facts go on as the flight of the chunk it brings; resolves when other processes,
   * which are to learn the facts then, will not fetch that chunk too.
   */
  async adopt(ask: Ask, facts: BlobFacts, opened: OpenReply): Promise<void> {
    const index = opened.answer.kind === 'part' ? Math.floor(opened.answer.span.start / facts.chunkBytes) : 0;
    const flight = this.#flightOf(wantedOf(facts, index));
    if (this.#flights.has(chunkPath(flight.id))) return opened.reply.body.discard();
    const claim = this.#pilot.claim(flight);
    this.#launch(flight, ask, facts, { opened, claim });
    await claim;
  }

  /** Removes a blob's chunks and facts; flights under way end for who is on them, but nobody joins or keeps them. */
  async drop(address: Address, facts: BlobFacts): Promise<void> {
    this.#passes.drop(facts.key);
    for (const [path, flight] of this.#flights) {
      if (flight.id.key !== facts.key) continue;
      flight.isDisowned = true;
      this.#flights.delete(path);
    }
    await this.#parts.catalog.forget([addressKey(address), claimKey(address)], facts.key);
  }

  /** Has the nodes above not vouch for a while for what they keep of an address. */
  suspect(address: Address): void {
    this.#suspects.set(claimKey(address), true);
  }

  /** What an upstream is sent for an ask. */
  headersFor({ address, headers }: Ask): HeaderLines {
    return this.#suspects.has(claimKey(address)) ? { ...headers, 'cache-control': 'no-cache' } : headers;
  }

  /** Has `settled` wait for work that never fails. */
  track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#working.delete(tracked));
    this.#working.add(tracked);
  }

  /** Resolves when no flight and no write is under way. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
  }

  #launch(flight: Flight, ask: Ask, facts: BlobFacts, adopted?: Adopted): void {
    const path = chunkPath(flight.id);
    this.#flights.set(path, flight);
    if (ask.trace !== undefined) {
      flight.journey = new Journey(ask.trace.now);
      ask.trace.fetching(flight.id.index, flight.journey);
    }
    board(flight, ask);
    this.track(
      this.#pilot
        .fly(flight, ask, facts, adopted)
        .catch((error: unknown) => this.#crashed(flight, ask, facts, error))
        .then((isDone) => {
          if (this.#flights.get(path) === flight) this.#flights.delete(path);
          // Only now: whoever found it in the list until here has held it by itself.
          if (isDone) flight.release();
        }),
    );
  }

  async #crashed(flight: Flight, ask: Ask, facts: BlobFacts, error: unknown): Promise<false> {
    const dropping = flight.isDisowned ? undefined : this.#blame(ask, facts, error);
    // Those who wait must not wait for the store; what is dropped cannot be found from here on.
    flight.crash(error);
    await dropping;
    return false;
  }

  async #blame(ask: Ask, facts: BlobFacts, error: unknown): Promise<void> {
    // Every source has another blob than a digest's unproven facts say: it is the facts that are wrong.
    const isDisproved = hasCode(error, 'UPSTREAM_MISMATCHED') && facts.digest !== undefined && !facts.sealed;
    if (hasCode(error, 'ORIGIN_CHANGED') || isDisproved) {
      this.#parts.events.failed('origin_changed', { key: facts.key, error: error.message });
      await this.drop(ask.address, facts);
    } else if (hasCode(error, 'DIGEST_MISMATCH')) {
      await this.quarantine(ask.address, facts);
    } else if ([error, (error as Error).cause].some((failure) => hasCode(failure, 'CHUNK_CORRUPT'))) {
      this.suspect(ask.address);
    }
  }

  #flightOf({ id, length, expected }: WantedChunk): Flight {
    const flight = new Flight(id, length, this.#pool);
    flight.expected = expected;
    return flight;
  }
}
