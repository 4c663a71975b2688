import type { Address } from '../protocol/address.ts';
import type { Ask } from './ask.ts';
import type { Chunk } from './chunk.ts';
import type { BlobFacts } from './facts.ts';
import type { Flight } from './flight.ts';
import type { LookAhead } from './look-ahead.ts';
import type { Extent } from './store.ts';
import type { DigestPass } from './verify.ts';

/** What a blob is read out of: the reader's part that hands out chunks and keeps what reading them has shown. */
export interface ChunkSource {
  readonly lookAhead: LookAhead;
  /** A chunk that is in memory, held for the caller. */
  glance(facts: BlobFacts, index: number): Chunk | undefined;
  /** A chunk that needs no waiting for a store: in memory, or on its way already. */
  ready(ask: Ask, facts: BlobFacts, index: number): Flight | undefined;
  /** A chunk to be read in part from where it is stored, see `ChunkStore`; `undefined` where a flight is the way. */
  extent(facts: BlobFacts, index: number, asFile: boolean): Promise<Extent | undefined>;
  /** What `extent` gives, when that can be had without waiting. */
  peekExtent(facts: BlobFacts, index: number): Extent | undefined;
  /** The flight of a chunk: one that is under way, else a new one. */
  flight(ask: Ask, facts: BlobFacts, index: number): Flight;
  /** True once a chunk that was asked for is no longer on its way. */
  hasLanded(facts: BlobFacts, index: number): boolean;
  /**
   * Has a chunk fetched that will be wanted soon, unless it can be read from where it is stored (see `extent`); `false`
   * when enough are on their way. Tells when it has come, or failed.
   */
  ahead(ask: Ask, facts: BlobFacts, index: number, asFile: boolean, ended: () => void): boolean;
  /** The shared hashing of a blob whose digest is not proven yet; every `joinPass` needs a `leavePass`. */
  joinPass(facts: BlobFacts): DigestPass | undefined;
  leavePass(facts: BlobFacts): void;
  /** Keeps that a blob matched its digest: from now on its chunks are checked one by one. */
  seal(address: Address, facts: BlobFacts, sealed: readonly string[]): Promise<void>;
  /** Drops a blob that did not match its digest, so that the next reader fetches all of it anew. */
  quarantine(address: Address, facts: BlobFacts): Promise<void>;
  /** Tells how many bytes, and how many chunks not told before, a client was served. */
  count(from: string, bytes: number, chunks: number): void;
}
