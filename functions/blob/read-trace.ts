import type { Journey } from './journey.ts';

/** One chunk, or a part of one, that a reader was given. Milliseconds of the trace's clock. */
export interface ChunkRead {
  readonly index: number;
  readonly bytes: number;
  /** `memory`, a store's name, `origin`, `root` or `sibling`. */
  readonly from: string;
  /** The reader came to it. */
  readonly wantedMs: number;
  /** It was given the first of it. */
  readonly firstByteMs: number;
  readonly doneMs: number;
  /** How it came into this node, where it was fetched meanwhile. */
  readonly journey: Journey | undefined;
}

/** Is told of what one read was given; the calls return at once. */
export interface ReadTrace {
  /** The clock; whoever has it keeps nothing of the read. */
  readonly now: () => number;
  /** A chunk is being fetched for this read, perhaps ahead of it. */
  fetching(index: number, journey: Journey): void;
  gave(read: ChunkRead): void;
}
