/** A part of an open file that can be sent as it is, without being read. */
export class FilePiece {
  readonly file: number;
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** Said by who sends it: the rest then comes as bytes. */
  sent = 0;

  constructor(file: number, offset: number, length: number) {
    this.file = file;
    this.offset = offset;
    this.length = length;
  }
}
