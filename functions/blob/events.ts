/** What a reader tells whoever watches it; every call returns at once and never throws. */
export interface ReaderEvents {
  /** Bytes were served that came from here: a store's name, `memory`, or `origin`, `root`, `sibling`; of `chunks` more chunks. */
  served(from: string, bytes: number, chunks: number): void;
  /** An origin was asked, or could not be asked, whether somebody may read what is cached. */
  checked(outcome: CheckOutcome): void;
  /** Something went wrong that the client may never notice. */
  failed(event: ReaderFailure, fields: Readonly<Record<string, unknown>>): void;
}

/** Past-tense names, as they appear in logs and metrics. */
export type ReaderFailure =
  | 'store_read_failed'
  | 'store_write_failed'
  | 'lease_failed'
  | 'upstream_failed'
  | 'chunk_corrupt'
  | 'digest_mismatched'
  | 'origin_changed';

/** What a check of a right came to. */
export type CheckOutcome = 'allowed' | 'refused' | 'unavailable';
