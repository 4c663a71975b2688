import type { Grant } from '../protocol/grant.ts';
import type { Span } from '../protocol/range.ts';
import type { Ask } from './ask.ts';
import { READ_BUFFERS } from './buffer-pool.ts';
import type { Slice } from './chunk.ts';
import type { ChunkSource } from './chunk-source.ts';
import type { BlobFacts } from './facts.ts';
import { FilePiece } from './file-piece.ts';
import { WORTH_A_FILE_BYTES } from './lent-chunks.ts';
import { dropped, type Supply, Transfer } from './transfer.ts';

/** A blob whose facts are known, ready to be read. */
export class Blob {
  readonly facts: BlobFacts;
  /** By what right it is read. */
  readonly grant: Grant;
  /** What the first bytes read came out of; known once they came. */
  first: Supply | undefined;
  #supply: Supply | undefined;
  /** Of the supply, when its first bytes were read. */
  #epoch: number | undefined;
  readonly #reader: ChunkSource;
  readonly #ask: Ask;
  /** The kind of source whose bytes came along when it was opened: nobody else need fetch them. */
  readonly fetchedFrom: string | undefined;

  constructor(reader: ChunkSource, ask: Ask, facts: BlobFacts, grant: Grant, fetchedFrom?: string) {
    this.#reader = reader;
    this.#ask = ask;
    this.facts = facts;
    this.grant = grant;
    this.fetchedFrom = fetchedFrom;
  }

  /**
   * The bytes of a span that lies in one chunk and takes no waiting: of these all is checked that can be. `undefined`
   * where `read` is the way. They are the caller's to look at until released, and never to write to.
   */
  glance({ start, end }: Span): Glance | undefined {
    const { chunkBytes } = this.facts;
    const index = Math.floor(start / chunkBytes);
    const base = index * chunkBytes;
    if (end > base + chunkBytes) return undefined;
    const slice = { index, from: start - base, to: end - base };
    const glance = this.#glanceAtMemory(slice) ?? this.#glanceAtFile(slice);
    if (glance === undefined) return undefined;
    const from = this.fetchedFrom ?? glance.from;
    this.first = { from, sha256: glance.sha256 };
    this.#reader.count(from, end - start, 1);
    const { trace } = this.#ask;
    if (trace !== undefined) {
      const nowMs = trace.now();
      const times = { wantedMs: nowMs, firstByteMs: nowMs, doneMs: nowMs };
      trace.gave({ index, bytes: end - start, from, ...times, journey: undefined });
    }
    return glance;
  }

  #glanceAtMemory({ index, from, to }: Slice): Glance | undefined {
    const chunk = this.#reader.glance(this.facts, index);
    if (chunk === undefined) return undefined;
    const { bytes, sha256, memory } = chunk;
    return { bytes: bytes.subarray(from, to), from: 'memory', sha256, release: () => memory?.release() };
  }

  /** What the kernel has in memory of a file. More than a little is better sent as a file. */
  #glanceAtFile({ index, from, to }: Slice): Glance | undefined {
    if (to - from >= WORTH_A_FILE_BYTES) return undefined;
    const extent = this.#reader.peekExtent(this.facts, index);
    if (extent?.glance === undefined) return undefined;
    const buffer = READ_BUFFERS.take(to - from);
    const release = () => READ_BUFFERS.give(buffer);
    const bytes = buffer.subarray(0, to - from);
    if (extent.glance(from, bytes)) return { bytes, from: extent.from, sha256: extent.sha256, release };
    release();
    return undefined;
  }

  /**
   * The bytes of a span, in order, as they arrive. A piece is a view of a shared buffer: never write to it, and
   * be done with it when the next is asked for.
   * The last 32 KiB, and of a manifest any byte, come only when everything that can be checked has been: chunks
   * whose digest is known against it, a whole read of a digest-named blob against its digest.
   *
   * @throws P2PError when the rest cannot be had; what was yielded before is right, but the span is not whole.
   * DIGEST_MISMATCH: the bytes are not the blob's, and none of it stays cached. The reason of `signal` on abort.
   */
  async *read(span: Span, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of this.#pieces(span, signal, false))
      if (!(piece instanceof FilePiece)) yield piece;
  }

  /**
   * As `read`, for one who can send parts of files: of those that are not sent whole the rest comes as bytes. The
   * files stay open until the next piece is asked for.
   */
  stream(span: Span, signal: AbortSignal): AsyncGenerator<Uint8Array | FilePiece, void, undefined> {
    return this.#pieces(span, signal, true);
  }

  async *#pieces(
    span: Span,
    signal: AbortSignal,
    takesFiles: boolean,
  ): AsyncGenerator<Uint8Array | FilePiece, void, undefined> {
    const isWhole = span.start === 0 && span.end === this.facts.size;
    const pass = isWhole ? this.#reader.joinPass(this.facts) : undefined;
    try {
      const transfer = new Transfer(this.#reader, this.#ask, this.facts, span, pass, signal, takesFiles);
      for await (const piece of transfer.pieces()) {
        if (this.#supply === undefined) {
          this.#supply = transfer.first;
          this.#epoch = transfer.first?.epoch;
        }
        this.first ??= transfer.first && {
          sha256: transfer.first.sha256,
          from: this.fetchedFrom ?? transfer.first.from,
        };
        yield piece;
      }
    } finally {
      if (pass !== undefined) this.#reader.leavePass(this.facts);
    }
  }

  /** Whether the chunk that the first bytes read are of is all here by now; after `read` has begun. */
  get isThere(): boolean {
    return this.#supply?.sha256 !== undefined;
  }

  /**
   * The sha-256 in hex of the chunk that the first bytes read are of, once it is whole and checked; after `read`.
   *
   * @throws P2PError what kept it from that; CHUNK_CORRUPT when the bytes read were others than those of that digest.
   */
  async digest(): Promise<string | undefined> {
    await this.#supply?.landed;
    if (this.#supply?.epoch !== this.#epoch) throw dropped();
    return this.#supply?.sha256;
  }
}

/** Bytes that are there until they are released. */
interface Glance extends Supply {
  readonly from: string;
  readonly bytes: Uint8Array;
  release(): void;
}
