import { P2PError } from '../protocol/errors.ts';
import type { Flight } from './flight.ts';
import type { Reply, Source } from './upstream.ts';

/** What a pour tells whoever keeps it. */
export interface PourEvents {
  /** Nobody draws from it any more, for now. */
  idled(pour: Pour): void;
  /** Nothing more comes out of it. */
  ended(pour: Pour): void;
}

interface Want {
  readonly flight: Flight;
  /** Offset in the blob of the flight's first byte. */
  readonly base: number;
  readonly filled: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * The body of an origin that ignores Range: a whole blob that can only be read forwards. Flights draw from it,
 * the one whose bytes come first first; bytes before what a flight wants are skipped, and the transfer is held
 * while no flight wants any.
 */
export class Pour {
  /** Who sends it. */
  readonly source: Source;
  readonly #reply: Reply;
  readonly #events: PourEvents;
  /** By where their bytes begin, ascending. */
  readonly #wants: Want[] = [];
  #offset = 0;
  #over = false;
  #wake: (() => void) | undefined;

  constructor(source: Source, reply: Reply, events: PourEvents) {
    this.source = source;
    this.#reply = reply;
    this.#events = events;
    reply.body
      .read((piece) => this.#take(piece))
      .then(
        () => this.#end(new P2PError('UPSTREAM_TRUNCATED', `the body ended after ${this.#offset} bytes`)),
        (error: unknown) => this.#end(error),
      );
  }

  /** The next byte to come. */
  get offset(): number {
    return this.#offset;
  }

  /** True while no flight draws from it. */
  get isIdle(): boolean {
    return this.#wants.length === 0;
  }

  /** True when the byte at `offset` has not passed yet. */
  reaches(offset: number): boolean {
    return !this.#over && this.#offset <= offset;
  }

  /**
   * Fills what a flight lacks.
   *
   * @throws P2PError UPSTREAM_TRUNCATED when the byte it lacks first has passed, or never comes.
   */
  fill(flight: Flight, base: number): Promise<void> {
    const lacking = base + flight.filled;
    if (!this.reaches(lacking)) {
      return Promise.reject(passed(lacking));
    }
    return new Promise<void>((filled, failed) => {
      const later = this.#wants.findIndex((want) => want.base > base);
      this.#wants.splice(later === -1 ? this.#wants.length : later, 0, { flight, base, filled, failed });
      this.#wake?.();
    });
  }

  /** Gives the rest up and closes the connection; flights that draw from it fail. */
  discard(): void {
    this.#end(new P2PError('UPSTREAM_TRUNCATED', `the transfer was given up at byte ${this.#offset}`));
    this.#reply.body.discard();
  }

  async #take(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      const want = this.#wants[0] ?? (await this.#wanted());
      const { flight, base } = want;
      const ahead = base + flight.filled - this.#offset;
      if (ahead < 0) {
        // Another flight of the same chunk had these bytes: one that was disowned still ends for who is on it.
        this.#leave(want);
        want.failed(passed(base + flight.filled));
        continue;
      }
      const skipped = Math.min(piece.length - at, ahead);
      const taken = Math.min(piece.length - at - skipped, flight.length - flight.filled);
      if (taken > 0) flight.append(piece.subarray(at + skipped, at + skipped + taken));
      at += skipped + taken;
      this.#offset += skipped + taken;
      if (flight.filled < flight.length) continue;
      this.#leave(want);
      want.filled();
    }
  }

  #leave(want: Want): void {
    this.#wants.splice(this.#wants.indexOf(want), 1);
    if (this.isIdle) this.#events.idled(this);
  }

  async #wanted(): Promise<Want> {
    for (;;) {
      const [first] = this.#wants;
      if (first !== undefined) return first;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #end(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    for (const { failed } of this.#wants.splice(0)) failed(error);
    this.#events.ended(this);
  }
}

const passed = (offset: number): P2PError =>
  new P2PError('UPSTREAM_TRUNCATED', `the body is past byte ${offset}`);
