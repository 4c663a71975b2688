import type { Address } from '../protocol/address.ts';
import type { HeaderLines } from '../protocol/errors.ts';
import type { Grant } from '../protocol/grant.ts';
import type { BlobFacts } from './facts.ts';

/**
 * That somebody works on what was asked for: `fresh`, or `stale` when it has said so for long, and more of the same is a
 * reason to wait only where nobody else would be quicker.
 */
export type Word = 'fresh' | 'stale';

/** One request to an upstream. Headers are lower-case and already fit to leave this process. */
export interface UpstreamQuery {
  readonly address: Address;
  readonly method: 'GET' | 'HEAD';
  readonly headers: HeaderLines;
  /** True for a range of a blob whose facts are known: most of all bytes, so worth the cheapest way. */
  readonly bulk?: boolean;
  /**
   * Told, before the head can be given, of each sign that it is worth waiting for: bytes of what has to be whole first,
   * or word that whoever was asked is getting it from one that can have it.
   */
  readonly heard?: ((word?: Word) => void) | undefined;
  /** False while no client is held up by it; absent where one is. */
  readonly isAwaited?: () => boolean;
  /** True while a client has waited long for the next byte: it sees what a sibling sends only once that is whole. */
  readonly isUrgent?: () => boolean;
}

/** The head of a reply, with a body that flows only while it is read. */
export interface Reply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: HeaderLines;
  readonly body: ReplyBody;
  /** What came behind the body, lower-case; to be asked for once that has been read. Absent where nothing can. */
  readonly trailers?: () => HeaderLines;
  /** Who answers, where that is not who was asked. */
  readonly from?: Giver;
  /** How often the question was sent on to another node. */
  readonly redirects?: number;
  /**
   * The sha-256 in hex that a chunk, of which this reply has the last bytes, is proven to have; to be asked for once
   * the body has been read. `undefined` when nothing that can be believed says so.
   */
  readonly proof?: (facts: BlobFacts, index: number) => string | undefined;
}

/** Who gave bytes. */
export interface Giver {
  /** For logs, metrics and the list of those that failed; no credentials, no query. */
  readonly name: string;
  /** What a sibling sends is shown to no client before it is checked. */
  readonly kind: 'origin' | 'root' | 'sibling';
  /** Told when its bytes were not what they should be. */
  readonly blame?: () => void;
}

/** A reply's body; exactly one of these calls is made. */
export interface ReplyBody {
  /**
   * Hands every piece to `sink` in order and resolves at the end. A piece is valid only until `sink`
   * returns or its promise settles; a promise from `sink` pauses the transfer. When `sink` throws, the
   * transfer is aborted and the error passed on.
   *
   * @throws P2PError UPSTREAM_TRUNCATED, UPSTREAM_TIMEOUT, UPSTREAM_UNREACHABLE when the body breaks.
   */
  read(sink: (piece: Uint8Array) => void | Promise<void>): Promise<void>;
  /**
   * Reads the body, which must be as long as `target`, into it, and says after each read by how much it has
   * filled. Absent where bytes cannot be read in place. Throws as `read` does.
   */
  fill?(target: Uint8Array, progressed: (bytes: number) => void): Promise<void>;
  /** Gives the body up; the connection is closed unless the body had already ended. */
  discard(): void;
}

/** One place that may have a blob. */
export interface Source extends Giver {
  /**
   * Asks; resolves when the head of the reply is there, whatever its status.
   *
   * @throws P2PError UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT, ORIGIN_NOT_ALLOWED; CLIENT_GONE on abort.
   */
  open(query: UpstreamQuery, signal: AbortSignal): Promise<Reply>;
}

/** A chunk that is wanted. */
export interface Wanted {
  readonly index: number;
  /** X-P2P-Agent as it goes out: the nodes that ask for it, this one last. */
  readonly chain: string | undefined;
  /** By what right it is read, which siblings are shown in place of a credential; `undefined` when none is known. */
  readonly right?: ShownRight | undefined;
}

/** A right that somebody has proven here, and for how long it holds. */
export interface ShownRight {
  readonly right: string;
  readonly grant: Grant;
}

/** The port behind which misses are answered. */
export interface Upstream {
  /**
   * The sources worth asking, best first; one that repeats may be asked again. Without `wanted` it is not for a
   * chunk, but for what the blob is or whether somebody may read it: only who can vouch for that is asked.
   */
  sources(address: Address, wanted?: Wanted): Iterable<Source>;
}
