import type { Address } from '../protocol/address.ts';
import type { HeaderLines } from '../protocol/errors.ts';

/** One request to an upstream. Headers are lower-case and already fit to leave this process. */
export interface UpstreamQuery {
  readonly address: Address;
  readonly method: 'GET' | 'HEAD';
  readonly headers: HeaderLines;
  /** True for a range of a blob whose facts are known: most of all bytes, so worth the cheapest way. */
  readonly bulk?: boolean;
}

/** The head of a reply, with a body that flows only while it is read. */
export interface Reply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: HeaderLines;
  readonly body: ReplyBody;
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
export interface Source {
  /** For logs, metrics and the list of those that failed; no credentials, no query. */
  readonly name: string;
  readonly kind: 'origin' | 'root' | 'sibling';
  /**
   * Asks; resolves when the head of the reply is there, whatever its status.
   *
   * @throws P2PError UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT, ORIGIN_NOT_ALLOWED; CLIENT_GONE on abort.
   */
  open(query: UpstreamQuery, signal: AbortSignal): Promise<Reply>;
}

/** The port behind which misses are answered. */
export interface Upstream {
  /** The sources worth asking for a blob, best first; one that repeats may be asked again. */
  sources(address: Address): Iterable<Source>;
}
