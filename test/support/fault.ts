/**
 * What a test origin does wrong with one request, as data. Fields combine; an empty fault is a good reply.
 * Counts of bytes are of the body as sent.
 */
export interface Fault {
  /** Waits before anything is sent. */
  readonly delayMs?: number;
  /** Resets the connection (RST) before any header. */
  readonly reset?: true;
  /** Answers this instead of the blob. */
  readonly status?: number;
  readonly body?: string;
  /** Added to the reply, or put in place of what it had; `null` leaves a header out. */
  readonly headers?: Readonly<Record<string, string | string[] | null>>;
  /** Answers 307 to there. */
  readonly redirect?: string;
  /** Answers 200 with the whole blob whatever range was asked. */
  readonly ignoreRange?: true;
  /** Sent in place of the right Content-Range. */
  readonly contentRange?: string;
  /** Sent, and compared with, in place of the blob's own; bare, without quotes. */
  readonly etag?: string;
  /** Ends the connection (FIN) after so many bytes, short of the Content-Length. */
  readonly cutAfterBytes?: number;
  /** Resets the connection (RST) after so many bytes; the last of them may be lost on the way. */
  readonly resetAfterBytes?: number;
  /** Pauses after so many bytes: for `stallMs`, or for ever. */
  readonly stallAfterBytes?: number;
  readonly stallMs?: number;
  /** Declares and sends only so many bytes: a reply that is well formed and shorter than what was asked. */
  readonly shortBody?: number;
  /** Declares and sends so many bytes more than the Content-Range says. */
  readonly extraBytes?: number;
  /** Sends no Content-Length; the end is the last chunk's. */
  readonly chunked?: true;
  /** Sends no Content-Length and is not chunked: the end is the connection's (HTTP/1.0). */
  readonly untilClose?: true;
  /** Compresses the body and says so, whatever was accepted. */
  readonly gzip?: true;
  /** Sends so many bytes at a time with a pause after each. */
  readonly trickle?: { readonly bytes: number; readonly everyMs: number };
  /** Sends no faster than this. */
  readonly bitsPerSecond?: number;
  /** Flips a bit of the byte at this offset of the blob. */
  readonly corrupt?: number;
}
