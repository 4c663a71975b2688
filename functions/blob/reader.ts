import { setMaxListeners } from 'node:events';
import { LRUCache } from 'lru-cache';
import type { Address } from '../protocol/address.ts';
import { type HeaderLines, hasCode, P2PError } from '../protocol/errors.ts';
import type { Ask } from './ask.ts';
import { Blob, type ChunkSource } from './blob.ts';
import { Catalog } from './catalog.ts';
import { type Chunk, type ChunkId, chunkSpan, countChunks } from './chunk.ts';
import { ChunkPool } from './chunk-memory.ts';
import type { ReaderEvents } from './events.ts';
import { type BlobFacts, isFresh } from './facts.ts';
import { Filler, type FillOrder, type OpenReply } from './fill.ts';
import { Flight } from './flight.ts';
import { addressKey, claimKey } from './identity.ts';
import { chunkPath } from './path.ts';
import { Probe } from './probe.ts';
import type { ChunkStore, Extent } from './store.ts';
import type { Upstream } from './upstream.ts';
import { DigestPass } from './verify.ts';

/** What a reader is made of. */
export interface ReaderParts {
  readonly store: ChunkStore;
  readonly upstream: Upstream;
  /** Size of the chunks that blobs are cut into. */
  readonly chunkBytes: number;
  /** Chunks fetched ahead of one reader, and ahead of all readers together. */
  readonly lookAhead: { readonly perRead: number; readonly total: number };
  readonly events: ReaderEvents;
  readonly now: () => number;
  /** For tests: overwrite the memory of chunks that nobody holds, so that a use after release shows. */
  readonly poison?: boolean;
}

// Chunks being written to the store at one time; beyond it fills wait, so that a slow disk slows the download
// instead of filling the memory.
const MAX_KEEPING = 32;
// After a digest mismatch the nodes above are asked not to answer from their caches for this long.
const SUSPECT_MS = 60_000;
// A doubted blob is fetched anew once for all its chunks' askers, yet again when a bad chunk has come back.
const DOUBTED_MS = 2_000;

/**
 * Reads blobs out of a store, and out of an upstream what the store lacks. Root and agent are this engine with
 * other parts.
 */
export class BlobReader implements ChunkSource {
  readonly chunkBytes: number;
  readonly lookAhead: number;
  readonly #parts: ReaderParts;
  readonly #catalog: Catalog;
  readonly #filler: Filler;
  readonly #probe: Probe;
  readonly #ended = new AbortController();
  readonly #opening = new Map<string, Promise<BlobFacts | undefined>>();
  readonly #pool: ChunkPool;
  readonly #flights = new Map<string, Flight>();
  /** Chunks asked for ahead of which it is not known yet whether they have to be fetched. */
  readonly #departing = new Set<string>();
  readonly #passes = new Map<string, { readonly pass: DigestPass; readers: number }>();
  readonly #suspects = new LRUCache<string, true>({ max: 1000, ttl: SUSPECT_MS });
  readonly #doubted = new LRUCache<string, true>({ max: 1000, ttl: DOUBTED_MS });
  /** Flights and writes under way. */
  readonly #working = new Set<Promise<void>>();
  readonly #keeping = new Set<Promise<boolean>>();
  #filling = 0;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    // Every transfer under way listens to it.
    setMaxListeners(0, this.#ended.signal);
    this.chunkBytes = parts.chunkBytes;
    this.#pool = new ChunkPool(parts.chunkBytes, parts.poison);
    this.lookAhead = parts.lookAhead.perRead;
    this.#catalog = new Catalog(parts.store, parts.events);
    this.#filler = new Filler(parts.upstream, parts.events, this.#ended.signal);
    this.#probe = new Probe(parts, this.#ended.signal);
  }

  /** Flights under way. */
  get flights(): number {
    return this.#flights.size;
  }

  /**
   * The blob behind an address, or `undefined` when it may not be cached and has to be passed through.
   * Those who ask at once share one request for what is not known.
   *
   * @throws P2PError what the upstream refused or failed with.
   */
  async open(ask: Ask): Promise<Blob | undefined> {
    const claim = claimKey(ask.address);
    if (this.#catalog.isUncacheable(claim)) return undefined;
    const known = await this.#find(ask, claim);
    if (known !== undefined && this.#mayUse(ask, known)) return new Blob(this, ask, known);
    if (ask.credentialed) return undefined;
    const opening = this.#opening.get(claim) ?? this.#learn(claim, ask, known);
    const facts = await opening;
    return facts === undefined ? undefined : new Blob(this, ask, facts);
  }

  ready(facts: BlobFacts, index: number): Flight | undefined {
    const id = idOf(facts, index);
    const hot = this.#parts.store.peek(id);
    if (hot !== undefined) {
      const flight = this.#flightOf(facts, index);
      if (fits(hot, flight)) {
        flight.from = 'memory';
        flight.land(hot);
        return flight;
      }
    }
    return this.#flights.get(chunkPath(id));
  }

  async extent(facts: BlobFacts, index: number): Promise<Extent | undefined> {
    const id = idOf(facts, index);
    const extent = await this.#parts.store.extent(id).catch((cause: unknown) => {
      this.#parts.events.failed('store_read_failed', { ...id, cause });
      return undefined;
    });
    const { length, expected } = this.#flightOf(facts, index);
    return extent?.length === length && (expected ?? extent.sha256) === extent.sha256 ? extent : undefined;
  }

  flight(ask: Ask, facts: BlobFacts, index: number): Flight {
    const ready = this.ready(facts, index);
    if (ready !== undefined) return ready;
    const flight = this.#flightOf(facts, index);
    this.#launch(flight, ask, facts);
    return flight;
  }

  hasLanded(facts: BlobFacts, index: number): boolean {
    const path = chunkPath(idOf(facts, index));
    if (this.#departing.has(path)) return false;
    const flight = this.#flights.get(path);
    return flight === undefined || flight.filled === flight.length;
  }

  ahead(ask: Ask, facts: BlobFacts, index: number): boolean {
    if (this.ready(facts, index) !== undefined) return true;
    if (this.#filling >= this.#parts.lookAhead.total) return false;
    const path = chunkPath(idOf(facts, index));
    this.#departing.add(path);
    // A stored chunk that can be read where it is needs no fetching into memory.
    void this.extent(facts, index).then((extent) => {
      this.#departing.delete(path);
      if (extent === undefined) this.flight(ask, facts, index);
    });
    return true;
  }

  joinPass(facts: BlobFacts): DigestPass | undefined {
    if (
      facts.digest === undefined ||
      facts.sealed !== undefined ||
      countChunks(facts.size, facts.chunkBytes) < 2
    ) {
      return undefined;
    }
    const entry = this.#passes.get(facts.key) ?? { pass: new DigestPass(facts.digest), readers: 0 };
    entry.readers += 1;
    this.#passes.set(facts.key, entry);
    return entry.pass;
  }

  leavePass(facts: BlobFacts): void {
    const entry = this.#passes.get(facts.key);
    if (entry === undefined) return;
    entry.readers -= 1;
    if (entry.readers === 0) this.#passes.delete(facts.key);
  }

  async seal(address: Address, facts: BlobFacts, sealed: readonly string[]): Promise<void> {
    const { freshUntilMs: _, ...proven } = facts;
    await this.#catalog.remember(addressKey(address), { ...proven, sealed });
  }

  async quarantine(address: Address, facts: BlobFacts): Promise<void> {
    this.#parts.events.failed('digest_mismatched', { key: facts.key, url: address.identity });
    this.#suspects.set(claimKey(address), true);
    await this.#drop(address, facts);
  }

  /**
   * Has what is cached of an address confirmed before it is served again, for the address was just written to (RFC
   * 9111 §4.4). What a digest names does not change by that.
   */
  async invalidate(address: Address): Promise<void> {
    if (address.digest !== undefined) return;
    const name = addressKey(address);
    // The nodes above have not seen the write: they must not vouch for what they keep.
    this.#suspects.set(name, true);
    await this.#catalog.expire(name);
  }

  count(from: string, bytes: number, chunks: number): void {
    this.#parts.events.served(from, bytes, chunks);
  }

  /** Resolves when every chunk fetched so far is kept: a function waits for it before it freezes. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
  }

  /** Ends flights under way with an error and closes the store. */
  async close(): Promise<void> {
    this.#ended.abort();
    await this.settled();
    await this.#parts.store.close();
  }

  /** What is known of a blob: proven facts first, else what this origin claims. */
  async #find(ask: Ask, claim: string): Promise<BlobFacts | undefined> {
    const proven = addressKey(ask.address);
    const known = await this.#catalog.find(proven);
    if (known !== undefined || claim === proven) return known;
    const claimed = await this.#catalog.find(claim);
    if (claimed === undefined || !ask.doubtful || this.#doubted.has(claim)) return claimed;
    // A node that asks us has seen these bytes fail: fetch them anew, but not at everyone's every word.
    this.#doubted.set(claim, true);
    await this.#drop(ask.address, claimed);
    return undefined;
  }

  #mayUse(ask: Ask, known: BlobFacts): boolean {
    return isFresh(known, this.#parts.now()) && (!ask.doubtful || known.digest !== undefined);
  }

  /** Removes a blob's chunks and facts; flights under way end for who is on them, but nobody joins or keeps them. */
  async #drop(address: Address, facts: BlobFacts): Promise<void> {
    this.#passes.delete(facts.key);
    for (const [path, flight] of this.#flights) {
      if (flight.id.key !== facts.key) continue;
      flight.isDisowned = true;
      this.#flights.delete(path);
    }
    await this.#catalog.forget([addressKey(address), claimKey(address)], facts.key);
  }

  #learn(name: string, ask: Ask, stale: BlobFacts | undefined): Promise<BlobFacts | undefined> {
    const learning = this.#probeFor(name, ask, stale).finally(() => this.#opening.delete(name));
    this.#opening.set(name, learning);
    return learning;
  }

  async #probeFor(name: string, ask: Ask, stale: BlobFacts | undefined): Promise<BlobFacts | undefined> {
    const headers = this.#headers(ask, name);
    // What the asker doubts, the nodes above must not vouch for out of their caches.
    const doubting = ask.doubtful ? { ...headers, 'cache-control': 'no-cache' } : headers;
    const found = await this.#probe.ask({ ...ask, headers: doubting }, stale).catch((error: unknown) => {
      // What a digest names does not change while its origin is away.
      if (stale?.digest !== undefined && error instanceof P2PError && error.status >= 500)
        return { facts: stale };
      throw error;
    });
    if (found === undefined) {
      this.#catalog.markUncacheable(name);
      return undefined;
    }
    const { facts } = found;
    if ('opened' in found && found.opened !== undefined) this.#adopt(ask, facts, found.opened);
    this.#track(this.#catalog.remember(name, facts));
    return facts;
  }

  /** Lets the reply that told the facts go on as the flight of the chunk it brings. */
  #adopt(ask: Ask, facts: BlobFacts, opened: OpenReply): void {
    const index = opened.answer.kind === 'part' ? Math.floor(opened.answer.span.start / facts.chunkBytes) : 0;
    const flight = this.#flightOf(facts, index);
    if (this.#flights.has(chunkPath(flight.id))) opened.reply.body.discard();
    else this.#launch(flight, ask, facts, opened);
  }

  #launch(flight: Flight, ask: Ask, facts: BlobFacts, opened?: OpenReply): void {
    const path = chunkPath(flight.id);
    this.#flights.set(path, flight);
    this.#track(
      this.#fly(flight, ask, facts, opened)
        .catch((error: unknown) => this.#crashed(flight, ask, facts, error))
        .then((isDone) => {
          if (this.#flights.get(path) === flight) this.#flights.delete(path);
          // Only now: whoever found it in the list until here has held it by itself.
          if (isDone) flight.release();
        }),
    );
  }

  /** Resolves to true when nothing started here looks at the flight's memory any more. */
  async #fly(flight: Flight, ask: Ask, facts: BlobFacts, opened?: OpenReply): Promise<boolean> {
    const stored = opened === undefined ? await this.#fromStore(flight) : undefined;
    if (stored !== undefined) {
      flight.from = this.#parts.store.name;
      flight.land(stored);
      return true;
    }
    this.#filling += 1;
    try {
      while (this.#keeping.size >= MAX_KEEPING) await Promise.race(this.#keeping);
      const headers = this.#headers(ask, claimKey(ask.address));
      const order: FillOrder = { address: ask.address, facts, headers };
      const chunk = await this.#filler.fill(flight, order, opened);
      flight.land(chunk);
      if (flight.isDisowned) return true;
      const isKept = await this.#keep(flight.id, chunk);
      // Of a blob of one chunk the chunk's digest is the blob's: it is proven.
      const isProven =
        facts.sealed === undefined && facts.digest !== undefined && flight.length === facts.size;
      if (isProven) await this.seal(ask.address, facts, [chunk.sha256]);
      return isKept;
    } finally {
      this.#filling -= 1;
    }
  }

  async #fromStore(flight: Flight): Promise<Chunk | undefined> {
    const chunk = await this.#parts.store.read(flight.id).catch((cause: unknown) => {
      this.#parts.events.failed('store_read_failed', { ...flight.id, cause });
      return undefined;
    });
    if (chunk === undefined || fits(chunk, flight)) return chunk;
    this.#parts.events.failed('chunk_corrupt', { ...flight.id, from: this.#parts.store.name });
    return undefined;
  }

  /** Resolves to true when the chunk was kept; a store that failed may still be looking at the bytes. */
  #keep(id: ChunkId, chunk: Chunk): Promise<boolean> {
    const keeping = this.#parts.store
      .write(id, chunk)
      .then(
        () => true,
        (cause: unknown) => {
          this.#parts.events.failed('store_write_failed', { ...id, cause });
          return false;
        },
      )
      .finally(() => this.#keeping.delete(keeping));
    this.#keeping.add(keeping);
    return keeping;
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
      await this.#drop(ask.address, facts);
    } else if (hasCode(error, 'DIGEST_MISMATCH')) {
      await this.quarantine(ask.address, facts);
    } else if ([error, (error as Error).cause].some((failure) => hasCode(failure, 'CHUNK_CORRUPT'))) {
      this.#suspects.set(claimKey(ask.address), true);
    }
  }

  #headers(ask: Ask, name: string): HeaderLines {
    return this.#suspects.has(name) ? { ...ask.headers, 'cache-control': 'no-cache' } : ask.headers;
  }

  #flightOf(facts: BlobFacts, index: number): Flight {
    const span = chunkSpan(index, facts.chunkBytes, facts.size);
    const flight = new Flight(idOf(facts, index), span.end - span.start, this.#pool);
    const isWhole = flight.length === facts.size;
    flight.expected = facts.sealed?.[index] ?? (isWhole ? facts.digest?.slice('sha256:'.length) : undefined);
    return flight;
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#working.delete(tracked));
    this.#working.add(tracked);
  }
}

const idOf = ({ key, chunkBytes }: BlobFacts, index: number): ChunkId => ({ key, chunkBytes, index });

const fits = (chunk: Chunk, flight: Flight): boolean =>
  chunk.bytes.length === flight.length && (flight.expected === undefined || chunk.sha256 === flight.expected);
