import { KiB, type Slice } from './chunk.ts';
import type { ChunkSource } from './chunk-source.ts';
import type { BlobFacts } from './facts.ts';
import { FilePiece } from './file-piece.ts';
import type { Extent, LentFile } from './store.ts';

// Below this, a system call for each of head and body costs more than the copy does.
export const WORTH_A_FILE_BYTES = 256 * KiB;

interface Loan {
  readonly slice: Slice;
  readonly extent: Extent;
  readonly file: LentFile;
}

/** Slices of stored chunks that follow each other, to be sent as files; to be given back when that is over. */
export class LentChunks {
  readonly piece: FilePiece;
  readonly #loans: readonly Loan[];

  private constructor(loans: readonly Loan[]) {
    this.#loans = loans;
    this.piece = new FilePiece(
      loans.map(({ file, slice: { from, to } }) => ({ file: file.fd, offset: from, length: to - from })),
    );
  }

  /** Borrows so many at most, up to the first that is in no file or too short to be worth it. */
  static async of(
    reader: Pick<ChunkSource, 'extent'>,
    facts: BlobFacts,
    slices: Iterable<Slice>,
    most: number,
  ): Promise<LentChunks> {
    const loans: Loan[] = [];
    for (const slice of slices) {
      if (loans.length === most || slice.to - slice.from < WORTH_A_FILE_BYTES) break;
      const extent = await reader.extent(facts, slice.index, true);
      // In the turn in which it was found: the store may close it in the next.
      const file = extent?.lend?.();
      if (extent === undefined || file === undefined) break;
      loans.push({ slice, extent, file });
    }
    return new LentChunks(loans);
  }

  /** `undefined` where nothing was borrowed. */
  get first(): Extent | undefined {
    return this.#loans[0]?.extent;
  }

  /** Index of the last chunk; `undefined` as for `first`. */
  get last(): number | undefined {
    return this.#loans.at(-1)?.slice.index;
  }

  /** How much of each chunk was sent. */
  *sent(): Generator<{ readonly index: number; readonly bytes: number; readonly extent: Extent }> {
    let left = this.piece.sent;
    for (const { slice, extent } of this.#loans) {
      const bytes = Math.min(left, slice.to - slice.from);
      if (bytes === 0) return;
      left -= bytes;
      yield { index: slice.index, bytes, extent };
    }
  }

  giveBack(): void {
    for (const { file } of this.#loans) file.giveBack();
  }
}
