import { KiB } from '../blob/chunk.ts';
import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import { type BodyFraming, frameBody } from './body-framing.ts';

const NO_BYTES = new Uint8Array(0);
// Of less room a read would bring little, for framing may take it; it is copied from elsewhere instead.
const WORTH_BYTES = 16 * KiB;

interface Target {
  readonly kind: 'target';
  /** What is still to be filled. */
  room: Uint8Array;
  readonly progressed: (bytes: number) => void;
}

/** Where a body goes. */
type Destination =
  | Target
  | { readonly kind: 'sink'; readonly sink: (piece: Uint8Array) => void | Promise<void> };

/** Takes one body apart: what a connection brings is its bytes, and the framing between and behind them. */
export class BodyReader {
  readonly #what: string;
  readonly #framing: BodyFraming;
  /** Bytes at the end that are not read in place: what is behind it is to be seen along with them. */
  readonly #apart: number;
  #destination: Destination | undefined;
  /** What has been read, but not in place, and was not taken apart yet. */
  #rest: Uint8Array;

  /** `early` is what came with the head, and must stay as it is; `what` names the request in errors. */
  constructor(what: string, length: number | undefined, early: Uint8Array) {
    this.#what = what;
    this.#framing = frameBody(length);
    // Else it would be seen as the reply to the next request. In chunks the end is framed.
    this.#apart = length === undefined ? 0 : 1;
    this.#rest = early;
  }

  /** What came behind the body, once that has ended. */
  get trailers(): HeaderLines {
    return this.#framing.trailers;
  }

  fill(target: Uint8Array, progressed: (bytes: number) => void): void {
    this.#destination = { kind: 'target', room: target, progressed };
  }

  read(sink: (piece: Uint8Array) => void | Promise<void>): void {
    this.#destination = { kind: 'sink', sink };
  }

  /** The part of the target that what comes next can be read into, framing and all; may be empty. */
  get window(): Uint8Array {
    const to = this.#destination;
    if (to?.kind !== 'target' || (this.#framing.run < to.room.length && to.room.length < WORTH_BYTES))
      return NO_BYTES;
    return to.room.subarray(0, to.room.length - this.#apart);
  }

  /** Bytes that the target still lacks. */
  get missing(): number {
    return this.#destination?.kind === 'target' ? this.#destination.room.length : 0;
  }

  /**
   * Says that so many bytes were read into the window: framing among them is taken out. Gives what `flow` does.
   *
   * @throws P2PError UPSTREAM_MISMATCHED, UPSTREAM_TRUNCATED as `flow`.
   */
  filled(bytes: number): 'more' | 'ended' {
    const to = this.#destination;
    if (to?.kind !== 'target') return this.#state();
    const { room } = to;
    let length = 0;
    for (let at = 0; at < bytes; ) {
      if (this.#framing.hasEnded) throw this.#tooMuch();
      const piece = Math.min(this.#framing.run, bytes - at);
      if (piece === 0) {
        at += this.#passOver(room.subarray(at, bytes));
        continue;
      }
      if (at > length) room.copyWithin(length, at, at + piece);
      this.#framing.take(piece);
      at += piece;
      length += piece;
    }
    if (length > 0) advance(to, length);
    return this.#state();
  }

  /**
   * Takes apart what came next, which must stay as it is as long as the sink is busy: then it gives what is to be
   * waited for before `flow` is called again.
   *
   * @throws P2PError UPSTREAM_MISMATCHED when there is too much, UPSTREAM_TRUNCATED when the framing is wrong or the
   * target not full at the end; what the sink threw.
   */
  flow(bytes?: Uint8Array): 'more' | 'ended' | Promise<void> {
    if (bytes !== undefined) this.#rest = bytes;
    while (this.#rest.length > 0) {
      if (this.#framing.hasEnded) throw this.#tooMuch();
      const piece = this.#rest.subarray(0, this.#framing.run);
      if (piece.length === 0) {
        this.#rest = this.#rest.subarray(this.#passOver(this.#rest));
        continue;
      }
      this.#rest = this.#rest.subarray(piece.length);
      const busy = this.#deliver(piece);
      if (busy !== undefined) return busy;
    }
    return this.#state();
  }

  #passOver(piece: Uint8Array): number {
    try {
      return this.#framing.passOver(piece);
    } catch (cause) {
      throw new P2PError(
        'UPSTREAM_TRUNCATED',
        `${this.#what}: the transfer broke (${(cause as Error).message})`,
        { cause },
      );
    }
  }

  #deliver(piece: Uint8Array): void | Promise<void> {
    const to = this.#destination;
    this.#framing.take(piece.length);
    if (to?.kind !== 'target') return to?.sink(piece);
    if (piece.length > to.room.length) throw this.#tooMuch();
    to.room.set(piece);
    advance(to, piece.length);
  }

  #state(): 'more' | 'ended' {
    if (!this.#framing.hasEnded) return 'more';
    if (this.missing === 0) return 'ended';
    throw new P2PError('UPSTREAM_TRUNCATED', `${this.#what}: ended ${this.missing} bytes short`);
  }

  #tooMuch(): P2PError {
    return new P2PError('UPSTREAM_MISMATCHED', `${this.#what}: more bytes than announced`);
  }
}

function advance(to: Target, bytes: number): void {
  to.room = to.room.subarray(bytes);
  to.progressed(bytes);
}
