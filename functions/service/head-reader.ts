import { KiB } from '../blob/chunk.ts';
import { parseHead, type ReplyHead } from './reply-head.ts';

// Longer ones are of no server that this program talks to.
const MOST_BYTES = 16 * KiB;
const END_OF_HEAD = '\r\n\r\n';
// Of one that works on it for a minute, and says so every half second; more of them would hold a request for ever.
const MOST_INTERIM = 120;
// After 101 it is HTTP no more.
const INTERIM = /^HTTP\/1\.1 1(?!01)\d\d[ \r]/;

/** A head, and what came of the body along with it: a view into what was taken. */
export interface ReadHead {
  readonly head: ReplyHead;
  readonly early: Uint8Array;
}

/** Puts the head of a reply together from pieces, and passes over interim replies before it (RFC 9110 §15.2). */
export class HeadReader {
  readonly #interim: () => boolean;
  #interims = 0;
  #taken = Buffer.alloc(0);

  /** `interim` is told of each interim reply; `false` gives the request up. */
  constructor(interim: () => boolean) {
    this.#interim = interim;
  }

  /** The head, once it is whole; `unsuited` for one that is not fully understood. A piece is not held on to. */
  take(piece: Uint8Array): ReadHead | 'more' | 'unsuited' {
    this.#taken = Buffer.concat([this.#taken, piece]);
    const end = this.#taken.indexOf(END_OF_HEAD);
    if (end === -1) return this.#taken.length < MOST_BYTES ? 'more' : 'unsuited';
    const text = this.#taken.toString('latin1', 0, end);
    const rest = this.#taken.subarray(end + END_OF_HEAD.length);
    if (INTERIM.test(text) && this.#interims < MOST_INTERIM) {
      this.#interims += 1;
      this.#taken = Buffer.alloc(0);
      return this.#interim() ? this.take(rest) : 'more';
    }
    const head = parseHead(text);
    return head === undefined ? 'unsuited' : { head, early: rest };
  }
}
