/** A part of an open file. */
export interface FileSpan {
  readonly file: number;
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** Parts of open files that can be sent as they are, one behind the other, without being read. */
export class FilePiece {
  /** Bytes. */
  readonly length: number;
  /** Said by who sends it: the rest then comes as bytes. */
  sent = 0;
  readonly #spans: readonly FileSpan[];

  constructor(spans: readonly FileSpan[]) {
    this.#spans = spans;
    this.length = spans.reduce((sum, { length }) => sum + length, 0);
  }

  /** What is to be sent next, of that at most so many bytes. */
  next(maxBytes: number): FileSpan[] {
    const end = Math.min(this.length, this.sent + maxBytes);
    const spans: FileSpan[] = [];
    let base = 0;
    for (const { file, offset, length } of this.#spans) {
      const from = Math.max(this.sent - base, 0);
      const to = Math.min(end - base, length);
      if (from < to) spans.push({ file, offset: offset + from, length: to - from });
      base += length;
    }
    return spans;
  }
}
