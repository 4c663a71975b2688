import type { HeaderLines } from '../protocol/errors.ts';
import { parseFields } from './reply-head.ts';

/** Where the bytes of a body are in what a connection brings, and where it ends. */
export interface BodyFraming {
  /** Bytes of the body that come next, with nothing between them; 0 where framing comes next, or the end. */
  readonly run: number;
  readonly hasEnded: boolean;
  /** What came behind the body; lower-case names. */
  readonly trailers: HeaderLines;
  /** Says that so many bytes of the run have been read. */
  take(bytes: number): void;
  /**
   * Reads framing from the start of a piece, and gives how many bytes that were; at least one.
   *
   * @throws Error what is wrong with it.
   */
  passOver(piece: Uint8Array): number;
}

export const frameBody = (length: number | undefined): BodyFraming =>
  length === undefined ? new ChunkedBody() : new PlainBody(length);

/** A body whose length was said before. */
class PlainBody implements BodyFraming {
  readonly trailers: HeaderLines = {};
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get run(): number {
    return this.#left;
  }

  get hasEnded(): boolean {
    return this.#left === 0;
  }

  take(bytes: number): void {
    this.#left -= bytes;
  }

  passOver(): never {
    throw new Error('more bytes than announced');
  }
}

// Sizes beyond are no exact numbers. Extensions are to be ignored (RFC 9112 §7.1.1), within a line.
const SIZE_LINE = /^([0-9a-f]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/i;
const MAX_SIZE_LINE = 256;
// A digest and a signature take 300.
const MAX_TRAILER_BYTES = 4096;
const LF = 0x0a;

/** A body in chunks, each behind its size, with trailers after the last (RFC 9112 §7.1). */
class ChunkedBody implements BodyFraming {
  trailers: HeaderLines = {};
  run = 0;
  #expects: 'size' | 'end of chunk' | 'trailer' | 'nothing' = 'size';
  /** What is there of the line. */
  #line = '';
  #lines: string[] = [];
  #trailerBytes = 0;

  get hasEnded(): boolean {
    return this.#expects === 'nothing';
  }

  take(bytes: number): void {
    this.run -= bytes;
    if (this.run === 0) this.#expects = 'end of chunk';
  }

  passOver(piece: Uint8Array): number {
    const at = piece.indexOf(LF);
    const length = at === -1 ? piece.length : at + 1;
    if (this.#line.length + length > this.#room())
      throw new Error(`a line too long where ${this.#expects} was expected`);
    this.#line += Buffer.from(piece.buffer, piece.byteOffset, length).toString('latin1');
    if (at === -1) return length;
    const line = this.#line;
    this.#line = '';
    if (line.at(-2) !== '\r') throw new Error('a line that does not end in CRLF');
    this.#readLine(line.slice(0, -2));
    return length;
  }

  /** Bytes that the line may have, its end included. */
  #room(): number {
    if (this.#expects === 'size') return MAX_SIZE_LINE;
    return this.#expects === 'end of chunk' ? 2 : MAX_TRAILER_BYTES - this.#trailerBytes;
  }

  #readLine(line: string): void {
    if (this.#expects === 'size') this.#readSize(line);
    else if (this.#expects === 'trailer') this.#readTrailer(line);
    // There is room for its end alone.
    else this.#expects = 'size';
  }

  #readSize(line: string): void {
    const digits = SIZE_LINE.exec(line)?.[1];
    if (digits === undefined) throw new Error('a chunk without its size');
    this.run = Number.parseInt(digits, 16);
    if (this.run === 0) this.#expects = 'trailer';
  }

  #readTrailer(line: string): void {
    if (line !== '') {
      this.#trailerBytes += line.length + 2;
      this.#lines.push(line);
      return;
    }
    const trailers = parseFields(this.#lines);
    if (trailers === undefined) throw new Error('malformed trailers');
    this.trailers = trailers;
    this.#expects = 'nothing';
  }
}
