import { createHash } from 'node:crypto';
import { type Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

/** How a test asks. */
export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: Uint8Array | string;
  /** Asks this proxy for the URL in absolute form. */
  readonly proxy?: { readonly host: string; readonly port: number };
  /** Sent as the request target exactly as it stands, so that `//` and `..` arrive untouched. */
  readonly target?: string;
  /** Default: 60 s. An abort breaks the transfer; it does not throw. */
  readonly signal?: AbortSignal;
  /** Default: a new connection for each request. */
  readonly agent?: Agent;
  /** Sees each piece as it arrives; a promise holds the transfer up, as a slow client does. */
  readonly onPiece?: (piece: Buffer, reply: IncomingMessage) => void | Promise<void>;
}

/** What came back, however it ended. */
export interface Answer {
  /** 0 when no reply began. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  /** Bytes of the body that arrived. */
  readonly size: number;
  /** sha-256 of those bytes, hex. */
  readonly digest: string;
  /** False when the transfer broke before its end. */
  readonly complete: boolean;
  readonly error?: Error;
  /** From asking to the first byte of the body. */
  readonly firstByteMs?: number;
  readonly totalMs: number;
}

/** An answer whose body was kept. */
export interface WholeAnswer extends Answer {
  readonly bytes: Buffer;
  readonly text: string;
}

const TIMEOUT_MS = 60_000;

/** Asks and keeps the body. Never throws for what the network does: see `status`, `complete` and `error`. */
export async function get(url: string, ask: Ask = {}): Promise<WholeAnswer> {
  const pieces: Buffer[] = [];
  const answer = await download(url, {
    ...ask,
    onPiece(piece, reply) {
      pieces.push(piece);
      return ask.onPiece?.(piece, reply);
    },
  });
  const bytes = Buffer.concat(pieces);
  return { ...answer, bytes, text: bytes.toString() };
}

/** Asks, and hashes and drops the body: for blobs that should not be held. */
export async function download(url: string, ask: Ask = {}): Promise<Answer> {
  const hash = createHash('sha256');
  const startedMs = performance.now();
  let size = 0;
  let firstByteMs: number | undefined;
  let reply: IncomingMessage | undefined;
  let error: Error | undefined;
  try {
    reply = await open(url, ask);
    for await (const piece of reply as AsyncIterable<Buffer>) {
      firstByteMs ??= performance.now() - startedMs;
      hash.update(piece);
      size += piece.length;
      await ask.onPiece?.(piece, reply);
    }
  } catch (cause) {
    error = cause instanceof Error ? cause : new Error(String(cause));
  }
  return {
    status: reply?.statusCode ?? 0,
    headers: reply?.headers ?? {},
    trailers: reply?.trailers ?? {},
    size,
    digest: hash.digest('hex'),
    complete: error === undefined && reply?.complete === true,
    ...(error === undefined ? {} : { error }),
    ...(firstByteMs === undefined ? {} : { firstByteMs }),
    totalMs: performance.now() - startedMs,
  };
}

function open(url: string, ask: Ask): Promise<IncomingMessage> {
  const { host, hostname, port, pathname, search, href } = new URL(url);
  const path = ask.target ?? (ask.proxy ? href : `${pathname}${search}`);
  return new Promise((resolve, reject) => {
    const sent = request({
      host: ask.proxy?.host ?? hostname,
      port: ask.proxy?.port ?? (port || 80),
      method: ask.method ?? 'GET',
      path,
      headers: { host, ...ask.headers },
      agent: ask.agent ?? false,
      signal: ask.signal ?? AbortSignal.timeout(TIMEOUT_MS),
    });
    sent.once('response', resolve).on('error', reject);
    sent.end(ask.body);
  });
}
