import type { Anonymity } from '../protocol/grant.ts';
import type { BlobKey, Chunk, ChunkId } from './chunk.ts';
import type { BlobFacts } from './facts.ts';

/** A chunk in a store that this process has checked before, or written, to be read in part. */
export interface Extent {
  /** The store's name. */
  readonly from: string;
  /** Bytes of the chunk. */
  readonly length: number;
  /** Hex; none as in `Chunk`. */
  readonly sha256: string | undefined;
  /**
   * Fills `into`, which the caller owns, with the bytes from `offset` on.
   *
   * @throws P2PError STORE_READ_FAILED; `into` then holds anything.
   */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** As `read`, in this turn; `false`, with anything in `into`, where that would have to wait, or fails. */
  glance?(offset: number, into: Uint8Array): boolean;
  /** The open file in which the chunk is from the first byte on, where it is in one and not too much is lent already. */
  lend?(): LentFile | undefined;
}

/** A file that stays open until it is given back; its descriptor is its owner's. */
export interface LentFile {
  readonly fd: number;
  giveBack(): void;
}

/** Where anyone can read a chunk for a while without asking us, and what it has to be. */
export interface Located {
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly untilMs: number;
  /** Bytes of the chunk. */
  readonly length: number;
  /** Hex. */
  readonly sha256: string;
}

/** That everyone has a right, for as long. */
export interface AccessRecord {
  /** Milliseconds since the epoch. */
  readonly publicUntilMs: number;
  readonly by: Anonymity;
}

/**
 * The port behind which chunks and facts are kept: memory, disk, a folder, or S3.
 * Every adapter passes `test/support/store-contract.ts`.
 */
export interface ChunkStore {
  /** Short name for metrics and Cache-Status: `memory`, `disk`, `folder`, `s3`. */
  readonly name: string;

  /** The chunk when it can be had without waiting; `undefined` says nothing about `read`. */
  peek(id: ChunkId): Chunk | undefined;

  /**
   * A chunk as it was written; the bytes are shared, never written to. What this process has neither written nor checked
   * before is checked against its own digest. `undefined` is a miss. A chunk that fails its check is removed and is a miss.
   *
   * @throws P2PError STORE_READ_FAILED when the store cannot tell.
   */
  read(id: ChunkId): Promise<Chunk | undefined>;

  /**
   * A chunk that can be served from where it is, without being loaded whole; `undefined` where `read` should be
   * used: the chunk is not there, was neither written nor checked by this process yet, or is better kept in memory.
   * That last does not count with `asFile`, of one who can do without having it in memory at all.
   */
  extent(id: ChunkId, asFile?: boolean): Promise<Extent | undefined>;

  /** What `extent` gives, when that can be had without waiting; `undefined` says nothing about `extent`. */
  peekExtent?(id: ChunkId): Extent | undefined;

  /**
   * Where a chunk that is there can be read by others; absent where nobody else can reach the store.
   *
   * @throws P2PError STORE_READ_FAILED when the store cannot tell.
   */
  locate?(id: ChunkId): Promise<Located | undefined>;

  /**
   * True when a chunk is there, as far as can be told without reading it; absent where nobody has to ask.
   *
   * @throws P2PError STORE_READ_FAILED when the store cannot tell.
   */
  has?(id: ChunkId): Promise<boolean>;

  /**
   * Keeps a chunk, whole or not at all; the store may drop it at any later time.
   *
   * @throws P2PError STORE_WRITE_FAILED when it was not kept.
   */
  write(id: ChunkId, chunk: Chunk): Promise<void>;

  /** What is known of the blob at an address, as last written; `undefined` is a miss or unreadable. */
  readFacts(addressKey: string): Promise<BlobFacts | undefined>;

  /** Keeps the facts for an address, replacing what was there. */
  writeFacts(addressKey: string, facts: BlobFacts): Promise<void>;

  /** What is known of a right, as last written; `undefined` is a miss or unreadable. */
  readAccess(key: string): Promise<AccessRecord | undefined>;

  /** Keeps what is known of a right, replacing what was there. */
  writeAccess(key: string, record: AccessRecord): Promise<void>;

  /** Removes every chunk, the facts, and what is known of a right, kept under a key. */
  remove(key: BlobKey): Promise<void>;

  /** Ends background work and waits for writes under way. */
  close(): Promise<void>;
}
