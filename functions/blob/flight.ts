import { P2PError } from '../protocol/errors.ts';
import type { Ask } from './ask.ts';
import type { Chunk, ChunkId } from './chunk.ts';
import { type ChunkMemory, ChunkPool } from './chunk-memory.ts';
import { Hearing } from './hearing.ts';
import type { Journey } from './journey.ts';

const UNPOOLED = new ChunkPool(0);
// What relays are not given before the chunk is whole: while its source is being looked for they have a byte of it now
// and then, for as long as a client would bear.
const SPARE_BYTES = 32;

/**
 * One fetch of one chunk in progress, shared by everyone who wants that chunk. Bytes can be read as they
 * arrive (cut-through); the buffer belongs to the flight until it lands and is never written to afterwards.
 */
export class Flight {
  readonly id: ChunkId;
  /** Bytes the chunk will have. */
  readonly length: number;
  /** For whom it is fetched, the first first; each has another credential or another address. */
  readonly askers: Ask[] = [];
  /** Where the bytes come from: a store's or source's name; undefined until known. */
  from: string | undefined;
  /** Who waits for its first bytes hears by it that it is on its way. */
  readonly hearing = new Hearing();
  /** How it came to be filled, where somebody may ask. */
  journey: Journey | undefined;
  /** sha-256 in hex that the chunk must have, when that is known before it is whole. */
  expected: string | undefined;
  /** True when what it belongs to was dropped meanwhile: it serves who is on it, and is not kept. */
  isDisowned = false;
  /** sha-256 in hex that the landed chunk has. */
  sha256: string | undefined;
  /** Bytes of the chunk that are there, from its start. */
  filled = 0;
  /** Settles when the chunk is whole, checked and hashed, or the fetch failed for good. */
  readonly landed: Promise<Chunk>;

  #memory: ChunkMemory | undefined;
  #bytes: Uint8Array | undefined;
  #isSeen = false;
  #trusted: number | undefined;
  /** Bytes that relays have been shown. */
  #relayed = 0;
  #epoch = 0;
  /** When bytes began to come, and how many were there before. */
  #begun: { readonly ms: number; readonly at: number } | undefined;
  #error: unknown;
  #progress = new Gate();
  /** Clients that wait, and since when there are any. */
  #clients = 0;
  #awaitedMs = 0;
  readonly #land: (chunk: Chunk) => void;
  readonly #crash: (error: unknown) => void;

  /** The maker holds the flight once. */
  constructor(id: ChunkId, length: number, pool: ChunkPool = UNPOOLED) {
    this.id = id;
    this.length = length;
    this.#memory = pool.lease(length);
    let land: (chunk: Chunk) => void = () => {};
    let crash: (error: unknown) => void = () => {};
    this.landed = new Promise<Chunk>((resolve, reject) => {
      land = resolve;
      crash = reject;
    });
    this.#land = land;
    this.#crash = crash;
    // A failure with nobody waiting is not an unhandled rejection.
    this.landed.catch(() => {});
  }

  /** Keeps the bytes from being used again; in the same turn in which the flight was got. */
  retain(): void {
    this.#memory?.retain();
  }

  /** Ends a hold; its holder looks at no byte of this flight any more. */
  release(): void {
    this.#memory?.release();
  }

  /** The chunk that the full buffer is, once it has been hashed. */
  chunk(sha256: string | undefined): Chunk {
    return { bytes: this.bytes, sha256, ...(this.#memory && { memory: this.#memory }) };
  }

  /**
   * The bytes that are there, for someone to use; call after `beyond`. Fewer than asked, or none, when the flight
   * has started over since.
   */
  view(from: number, to: number, reader: FlightReader = 'client'): Uint8Array {
    const piece = this.#bytes?.subarray(from, Math.min(to, this.#shown(reader))) ?? new Uint8Array(0);
    if (piece.length > 0 && reader === 'client') this.#isSeen = true;
    return piece;
  }

  /** Bytes from here on are from a sender that is not trusted: no client sees them until the chunk was checked. */
  distrust(): void {
    this.#trusted ??= this.filled;
  }

  /** True while all that is there came from senders that are trusted. */
  get isTrusted(): boolean {
    return this.#trusted === undefined;
  }

  /** Another number after each time that bytes were dropped which a relay may have seen. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Drops what is there, to be filled anew, but for what clients have seen of trusted bytes; `expected` is what was
   * known of the digest at first. `false`, with nothing done, when clients have seen some of what would be dropped.
   */
  startOver(expected: string | undefined): boolean {
    if (this.#isSeen && this.#trusted === undefined) return false;
    this.filled = this.#isSeen ? (this.#trusted ?? 0) : 0;
    this.#trusted = undefined;
    this.#relayed = 0;
    this.#begun = undefined;
    this.#epoch += 1;
    this.expected = expected;
    return true;
  }

  /** The whole buffer, for hashing once it is full. */
  get bytes(): Uint8Array {
    this.#bytes ??= this.#memory?.bytes ?? Buffer.allocUnsafeSlow(this.length);
    return this.#bytes;
  }

  /**
   * Copies a piece behind what is there.
   *
   * @throws P2PError UPSTREAM_MISMATCHED when it does not fit: the upstream sends more than was asked.
   */
  append(piece: Uint8Array): void {
    if (this.filled + piece.length > this.length) {
      throw new P2PError(
        'UPSTREAM_MISMATCHED',
        `more than the ${this.length} bytes asked for chunk ${this.id.index}`,
      );
    }
    this.bytes.set(piece, this.filled);
    this.advance(piece.length);
  }

  /** What is still to be filled, in place; say with `advance` how far that is. */
  get room(): Uint8Array {
    return this.bytes.subarray(this.filled);
  }

  /** Tells that the next bytes of `room` are there. */
  advance(bytes: number): void {
    this.#begun ??= { ms: performance.now(), at: this.filled };
    this.filled += bytes;
    this.#progress.open();
  }

  /** Ends the flight with a whole chunk; it may bring its own buffer, as one read from a store does. */
  land(chunk: Chunk): void {
    if (this.filled < this.length) {
      this.#bytes = chunk.bytes;
      this.#memory = chunk.memory;
    }
    this.filled = this.length;
    this.#trusted = undefined;
    this.sha256 = chunk.sha256;
    this.#land(chunk);
    this.#progress.open();
  }

  /** Ends the flight with an error for everyone who still waits. */
  crash(error: unknown): void {
    this.#error = error;
    this.#crash(error);
    this.#progress.open();
  }

  /**
   * Resolves to how many bytes are there to be seen as soon as that is more than `at`.
   *
   * @throws what the flight failed with; the reason of `signal` when that aborts first.
   */
  async beyond(at: number, signal: AbortSignal, reader: FlightReader = 'client'): Promise<number> {
    while (this.#shown(reader) <= at) {
      if (this.#error !== undefined) throw this.#error;
      signal.throwIfAborted();
      await this.#progress.wait(signal);
    }
    return this.#shown(reader);
  }

  /** What waits for it is a client's transfer, not one ahead of it: counted while it lasts. */
  async awaited<T>(wait: Promise<T>): Promise<T> {
    if (this.#clients === 0) this.#awaitedMs = performance.now();
    this.#clients += 1;
    try {
      return await wait;
    } finally {
      this.#clients -= 1;
    }
  }

  /** For how long clients have waited for its next byte, milliseconds; 0 when none does. */
  get awaitedMs(): number {
    return this.#clients === 0 ? 0 : performance.now() - this.#awaitedMs;
  }

  /** How long the rest of it takes if it goes on like this, milliseconds. */
  get leftMs(): number {
    if (this.#begun === undefined) return Number.POSITIVE_INFINITY;
    const { ms, at } = this.#begun;
    return ((performance.now() - ms) * (this.length - this.filled)) / (this.filled - at);
  }

  /**
   * Notes that somebody who can be waited for is getting it, though no bytes come: those that relay it, and have told so
   * by sending some, have one more to send.
   */
  heard(): void {
    this.hearing.heard();
    this.#relayed = Math.min(this.filled, this.#shown('relay') + 1);
    this.#progress.open();
  }

  #shown(reader: FlightReader): number {
    if (reader === 'client') return this.#trusted ?? this.filled;
    if (this.filled === this.length) return this.filled;
    return Math.max(this.#relayed, this.filled - SPARE_BYTES);
  }
}

/** Who looks at a flight: a client may act on what it gets, a node of ours checks it before anyone does. */
export type FlightReader = 'client' | 'relay';

/** Lets all who wait through at once, again and again. */
class Gate {
  #waiting = new Set<() => void>();

  open(): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
      this.#waiting.add(wake);
    });
  }
}
