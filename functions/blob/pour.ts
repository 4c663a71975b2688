import { P2PError } from '../protocol/errors.ts';
import type { Flight } from './flight.ts';
import type { Reply } from './upstream.ts';

// A pour that nobody draws from holds a connection of the origin.
const UNWANTED_MS = 15_000;

interface Want {
  readonly flight: Flight;
  /** Offset in the blob of the flight's first byte. */
  readonly base: number;
  readonly filled: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * The body of an origin that ignores Range: a whole blob that can only be read forwards. Flights draw from it
 * in turn; bytes before what a flight wants are skipped, and the transfer is held while no flight wants any.
 */
export class Pour {
  #offset = 0;
  #over = false;
  #want: Want | undefined;
  #wake: (() => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #unwanted: NodeJS.Timeout | undefined;
  readonly #reply: Reply;

  constructor(reply: Reply) {
    this.#reply = reply;
    reply.body
      .read((piece) => this.#take(piece))
      .then(
        () => this.#end(new P2PError('UPSTREAM_TRUNCATED', `the body ended after ${this.#offset} bytes`)),
        (error: unknown) => this.#end(error),
      );
  }

  /** True when the byte at `offset` has not passed yet. */
  reaches(offset: number): boolean {
    return !this.#over && this.#offset <= offset;
  }

  /** Fills what a flight lacks; flights that ask at once are served in turn. */
  fill(flight: Flight, base: number): Promise<void> {
    const filling = this.#turn.then(() => this.#serve(flight, base));
    this.#turn = filling.catch(() => {});
    return filling;
  }

  #serve(flight: Flight, base: number): Promise<void> {
    clearTimeout(this.#unwanted);
    if (!this.reaches(base + flight.filled)) {
      return Promise.reject(
        new P2PError('UPSTREAM_TRUNCATED', `the body is past byte ${base + flight.filled}`),
      );
    }
    return new Promise<void>((filled, failed) => {
      this.#want = { flight, base, filled, failed };
      this.#wake?.();
    }).finally(() => {
      this.#unwanted = setTimeout(() => this.#reply.body.discard(), UNWANTED_MS).unref();
    });
  }

  async #take(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      const { flight, base, filled } = this.#want ?? (await this.#wanted());
      const lacking = base + flight.filled;
      const skipped = Math.min(piece.length - at, Math.max(0, lacking - this.#offset));
      const taken = Math.min(piece.length - at - skipped, flight.length - flight.filled);
      if (taken > 0) flight.append(piece.subarray(at + skipped, at + skipped + taken));
      at += skipped + taken;
      this.#offset += skipped + taken;
      if (flight.filled === flight.length) {
        this.#want = undefined;
        filled();
      }
    }
  }

  async #wanted(): Promise<Want> {
    while (this.#want === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#want;
  }

  #end(error: unknown): void {
    clearTimeout(this.#unwanted);
    this.#over = true;
    this.#want?.failed(error);
    this.#want = undefined;
  }
}
