import { hasCode, P2PError } from '../protocol/errors.ts';
import type { Span } from '../protocol/range.ts';
import type { Ask } from './ask.ts';
import { READ_BUFFERS } from './buffer-pool.ts';
import { countChunks, KiB, MiB, planRead, type Slice } from './chunk.ts';
import type { ChunkSource } from './chunk-source.ts';
import type { BlobFacts } from './facts.ts';
import { FetchAhead } from './fetch-ahead.ts';
import type { FilePiece } from './file-piece.ts';
import { Flight, type FlightReader } from './flight.ts';
import { LentChunks, WORTH_A_FILE_BYTES } from './lent-chunks.ts';
import { readExtent } from './read-extent.ts';
import type { Extent } from './store.ts';
import type { DigestPass } from './verify.ts';

// Held back of a reply until all of it is verified: a transfer that breaks here is short by Content-Length.
const HELD_BACK_BYTES = 32 * KiB;
// As large as a manifest gets (OCI distribution-spec, "Pushing Manifests"): clients that parse one as it comes act on
// what is not verified, so all of it is held back.
const MANIFEST_HELD_BACK_BYTES = 4 * MiB;

/** Where bytes come from, and the digest of their whole chunk once that is known. */
export interface Supply {
  readonly from: string | undefined;
  readonly sha256: string | undefined;
  /** Of a flight: settles when the digest is known. */
  readonly landed?: Promise<unknown>;
  /** Of a flight: another number once bytes were dropped that a relay may have seen. */
  readonly epoch?: number;
}

// Handed over at once: between two that are sent one by one two threads have to wake, and the connection is idle. Of
// what waits for a slow client an eviction frees no room on the disk: so they are not many.
const MOST_FILES = 8;

/** What was sent of what was to be. */
interface Sent {
  readonly bytes: number;
  readonly isAll: boolean;
}

const NOTHING: Sent = { bytes: 0, isAll: false };

/** One read of one span: its plan, the flights ahead of it, and what is still to be verified. */
export class Transfer {
  first: Supply | undefined;
  readonly #reader: ChunkSource;
  readonly #ask: Ask;
  readonly #facts: BlobFacts;
  readonly #span: Span;
  readonly #pass: DigestPass | undefined;
  readonly #signal: AbortSignal;
  readonly #takesFiles: boolean;
  readonly #looker: FlightReader;
  /** The chunks in use: the one being read, the one before it, those of the tail. */
  readonly #supplies = new Map<number, Flight | Extent>();
  /** The next chunk to verify; all before it are. */
  #unverified: number;
  /** The last chunk that was counted as read; a chunk may be read in two slices. */
  #counted = -1;
  /** The first chunk of which some is held back. */
  #tailFrom = Number.POSITIVE_INFINITY;
  readonly #ahead: FetchAhead;
  /** How many files are sent at once: few at first, for whoever reads little or leaves. */
  #files = 1;
  /** The chunks that a relay has begun to pass on, each with the epoch of those bytes. */
  readonly #begun = new Map<number, number>();

  constructor(
    reader: ChunkSource,
    ask: Ask,
    facts: BlobFacts,
    span: Span,
    pass: DigestPass | undefined,
    signal: AbortSignal,
    takesFiles: boolean,
  ) {
    this.#takesFiles = takesFiles;
    this.#reader = reader;
    this.#ask = ask;
    this.#facts = facts;
    this.#span = span;
    this.#pass = pass;
    this.#signal = signal;
    this.#ahead = new FetchAhead(reader, ask, facts, span);
    this.#looker = ask.relays ? 'relay' : 'client';
    this.#unverified = Math.floor(span.start / facts.chunkBytes);
  }

  async *pieces(): AsyncGenerator<Uint8Array | FilePiece, void, undefined> {
    const { start, end } = this.#span;
    const heldBack = this.#ask.address.isManifest ? MANIFEST_HELD_BACK_BYTES : HELD_BACK_BYTES;
    const held = Math.max(start, end - heldBack);
    for (let at = start; at < held; ) {
      const sent = yield* this.#sendFiles(at, held);
      at += sent.bytes;
      if (sent.isAll) continue;
      const [slice] = planRead({ start: at, end: held }, this.#facts.chunkBytes);
      if (slice === undefined) break;
      yield* this.#slice(slice);
      at += slice.to - slice.from;
      // The chunk before this one has had a chunk's time to be hashed: verifying it now waits for nothing.
      await this.#verifyBefore(slice.index);
    }
    const tail = [...planRead({ start: held, end }, this.#facts.chunkBytes)];
    this.#tailFrom = tail[0]?.index ?? this.#tailFrom;
    for (const { index } of tail) await this.#arrive(index);
    await this.#verifyBefore((tail.at(-1)?.index ?? -1) + 1);
    if (this.#pass !== undefined) await this.#conclude(this.#pass);
    for (const slice of tail) yield* this.#slice(slice);
    // All pieces have been used. After an error some may not have been: then nothing is released.
    for (const index of [...this.#supplies.keys()]) this.#letGo(index);
  }

  /** Has what is stored from `start` on sent as files; the rest of what is not all sent comes as bytes. */
  async *#sendFiles(start: number, end: number): AsyncGenerator<FilePiece, Sent, undefined> {
    // What is to be hashed whole comes by flights alone.
    if (!this.#takesFiles || this.#pass !== undefined) return NOTHING;
    const { trace } = this.#ask;
    const wantedMs = trace?.now() ?? 0;
    const slices = planRead({ start, end }, this.#facts.chunkBytes);
    const lent = await LentChunks.of(this.#reader, this.#facts, slices, this.#files);
    const { first, last } = lent;
    if (first === undefined || last === undefined) return NOTHING;
    this.first ??= first;
    const firstByteMs = trace?.now() ?? 0;
    try {
      this.#ahead.of(last, true);
      yield lent.piece;
    } finally {
      lent.giveBack();
    }
    for (const { index, bytes, extent } of lent.sent())
      this.#gave(index, bytes, extent, wantedMs, firstByteMs);
    await this.#verifyBefore(Math.floor(start / this.#facts.chunkBytes));
    this.#files = Math.min(MOST_FILES, 2 * this.#files);
    const { sent, length } = lent.piece;
    return { bytes: sent, isAll: sent === length };
  }

  async *#slice(slice: Slice): AsyncGenerator<Uint8Array, void, undefined> {
    const { index, from, to } = slice;
    let at = from;
    const { trace } = this.#ask;
    const wantedMs = trace?.now() ?? 0;
    let firstByteMs = 0;
    let supply = await this.#supply(index, this.#takesFiles && to - from >= WORTH_A_FILE_BYTES);
    if (!(supply instanceof Flight)) {
      this.first ??= supply;
      firstByteMs = trace?.now() ?? 0;
      try {
        for await (const piece of readExtent(supply, { ...slice, from: at }, READ_BUFFERS)) {
          yield piece;
          at += piece.length;
        }
      } catch (error) {
        if (!hasCode(error, 'STORE_READ_FAILED')) throw error;
        supply = this.#takeOff(index);
      }
    }
    if (supply instanceof Flight) {
      this.#ahead.of(index);
      this.#ahead.widen();
      await this.#begins(index, supply, at);
      while (at < to) {
        const there = await this.#beyond(index, supply, at);
        const epoch = this.#begun.get(index) ?? supply.epoch;
        if (supply.epoch !== epoch) throw dropped();
        const piece = supply.view(at, Math.min(to, there), this.#looker);
        this.#ahead.of(index);
        // It was wrong, and is being fetched anew.
        if (piece.length === 0) continue;
        if (this.#looker === 'relay') this.#begun.set(index, epoch);
        this.first ??= supply;
        if (trace !== undefined && firstByteMs === 0) firstByteMs = trace.now();
        yield piece;
        at += piece.length;
      }
    }
    this.#gave(index, to - from, supply, wantedMs, firstByteMs);
  }

  /** As the flight has it; what is fetched ahead meanwhile makes room for more. */
  #beyond(index: number, flight: Flight, at: number): Promise<number> {
    const coming = flight.beyond(at, this.#signal, this.#looker);
    return this.#ahead.whileLate(index, this.#looker === 'client' ? flight.awaited(coming) : coming);
  }

  #gave(index: number, bytes: number, supply: Supply, wantedMs: number, firstByteMs: number): void {
    const from = supply.from ?? 'unknown';
    const { trace } = this.#ask;
    this.#reader.count(from, bytes, index > this.#counted ? 1 : 0);
    const journey = supply instanceof Flight ? supply.journey : undefined;
    trace?.gave({ index, bytes, from, wantedMs, firstByteMs, doneMs: trace.now(), journey });
    this.#counted = index;
  }

  /** Waits until a chunk's first bytes are there: by then it is known whether it can be verified. */
  async #arrive(index: number): Promise<void> {
    const supply = await this.#supply(index, false);
    if (!(supply instanceof Flight)) return;
    this.#ahead.of(index);
    await this.#begins(index, supply, 0);
  }

  /** Waits for the first bytes, and tells the asker meanwhile that somebody is getting them. */
  async #begins(index: number, flight: Flight, at: number): Promise<void> {
    await flight.hearing.during(this.#beyond(index, flight, at), this.#ask.heard);
  }

  /**
   * Where a chunk's bytes come from: memory or a flight under way, else the stored chunk itself, else a new
   * flight. What is to be hashed whole comes by flights alone.
   */
  async #supply(index: number, asFile: boolean): Promise<Flight | Extent> {
    const held = this.#supplies.get(index);
    if (held !== undefined) return held;
    const ready = this.#reader.ready(this.#ask, this.#facts, index);
    if (ready !== undefined) this.#hold(index, ready);
    if (this.#pass !== undefined || (ready !== undefined && !(asFile && ready.from === 'memory')))
      return ready ?? this.#takeOff(index);
    const extent = await this.#reader.extent(this.#facts, index, asFile);
    if (extent === undefined) return ready ?? this.#takeOff(index);
    this.#letGo(index);
    this.#hold(index, extent);
    return extent;
  }

  /** In the same turn in which the supply was got: until then its memory is nobody's promise. */
  #hold(index: number, supply: Flight | Extent): void {
    if (supply instanceof Flight) supply.retain();
    this.#supplies.set(index, supply);
  }

  #letGo(index: number): void {
    const supply = this.#supplies.get(index);
    if (supply instanceof Flight) supply.release();
    this.#supplies.delete(index);
  }

  #takeOff(index: number): Flight {
    const flight = this.#reader.flight(this.#ask, this.#facts, index);
    this.#hold(index, flight);
    return flight;
  }

  async #verifyBefore(index: number): Promise<void> {
    for (; this.#unverified < index; this.#unverified += 1) {
      const supply = this.#supplies.get(this.#unverified);
      if (supply instanceof Flight && (supply.expected !== undefined || this.#pass !== undefined)) {
        const chunk = await supply.landed;
        if (this.#pass?.offer(this.#unverified, chunk) === false) await this.#mismatch();
      }
      // What reaches into the tail is read from once more.
      if (this.#unverified - 1 < this.#tailFrom) this.#letGo(this.#unverified - 1);
    }
  }

  async #conclude(pass: DigestPass): Promise<void> {
    const sums = pass.verdict(countChunks(this.#facts.size, this.#facts.chunkBytes));
    if (sums === undefined) return this.#mismatch();
    await this.#reader.seal(this.#ask.address, this.#facts, sums);
  }

  async #mismatch(): Promise<never> {
    await this.#reader.quarantine(this.#ask.address, this.#facts);
    throw new P2PError('DIGEST_MISMATCH', `the bytes of ${this.#facts.key} do not have that digest`);
  }
}

/** What it comes to when a relay has passed on what then proved wrong: its transfer must not end as if that were right. */
export const dropped = (): P2PError =>
  new P2PError('CHUNK_CORRUPT', 'what was passed on of a chunk before it was checked was wrong');
