import { setMaxListeners } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { VirtualBlob } from './blob-of.ts';
import type { Fault } from './fault.ts';
import { type BlobOptions, type PlannedReply, planReply, type Served, served } from './origin-reply.ts';
import { pace } from './pace.ts';

/** One request as the origin saw it, and what became of the answer. */
export interface Hit {
  readonly method: string;
  /** The request target, raw. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** 0 until the reply began; stays 0 when the fault was a reset. */
  status: number;
  /** Bytes of the body handed to the socket. */
  bytes: number;
  /** True once the reply was sent to its end. */
  finished: boolean;
}

/** Answers one path by hand, for what is not a blob: a token, a redirect chain. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** How a test origin starts; everything can be changed while it runs. */
export interface OriginOptions {
  readonly blobs?: Readonly<Record<string, Uint8Array | VirtualBlob>>;
  /** One for each request to come, in order. */
  readonly faults?: readonly Fault[];
  /** For every request that has none of its own. */
  readonly always?: Fault;
  /** Limit over all replies together: the origin's uplink. */
  readonly bitsPerSecond?: number;
  /** Default: a free port of 127.0.0.1. */
  readonly listen?: { readonly host: string; readonly port: number };
}

/** A real HTTP server that owns blobs, misbehaves to order, and remembers what it was asked. */
export interface Origin extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly hits: Hit[];
  /** Faults of the requests to come, first one first; push to add. */
  readonly faults: Fault[];
  always: Fault;
  /** Decides by the request alone what it is refused with; `undefined` lets it through. Faults come first. */
  refuses: ((request: IncomingMessage) => Fault | undefined | Promise<Fault | undefined>) | undefined;
  /** Bytes of bodies sent so far. */
  readonly bytesSent: number;
  /** TCP connections taken so far. */
  readonly connections: number;
  /** Serves bytes at a path (without query), replacing what was there; returns the whole URL. */
  put(path: string, bytes: Uint8Array | VirtualBlob, options?: BlobOptions): string;
  /** Serves a path by hand; returns the whole URL. */
  route(path: string, handler: Handler): string;
  /** Forgets hits and counts, not blobs. */
  forget(): void;
}

const PIECE_BYTES = 256 * 1024;

/** Starts an origin. Disposing it breaks whatever is still open. */
export async function startOrigin(options: OriginOptions = {}): Promise<Origin> {
  const held = new Map<string, Served | Handler>();
  const stopped = new AbortController();
  setMaxListeners(0, stopped.signal);
  const { listen = { host: '127.0.0.1', port: 0 } } = options;
  const uplink = pace(options.bitsPerSecond);
  let bytesSent = 0;
  let connections = 0;

  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(listen, resolve);
  });
  const { port } = server.address() as AddressInfo;

  const origin: Origin = {
    url: `http://${listen.host}:${port}`,
    port,
    hits: [],
    faults: [...(options.faults ?? [])],
    always: options.always ?? {},
    refuses: undefined,
    get bytesSent() {
      return bytesSent;
    },
    get connections() {
      return connections;
    },
    put(path, bytes, blobOptions = {}) {
      held.set(path, served(bytes, blobOptions));
      return origin.url + path;
    },
    route(path, handler) {
      held.set(path, handler);
      return origin.url + path;
    },
    forget() {
      origin.hits.length = 0;
      bytesSent = 0;
      connections = 0;
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  for (const [path, bytes] of Object.entries(options.blobs ?? {})) origin.put(path, bytes);
  return origin;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const hit: Hit = { method, url, headers: request.headers, status: 0, bytes: 0, finished: false };
    origin.hits.push(hit);
    response.once('finish', () => {
      hit.finished = true;
    });
    const found = held.get(url.split('?', 1)[0] ?? '');
    if (typeof found === 'function') {
      response.once('close', () => {
        hit.status = response.statusCode;
      });
      return found(request, response);
    }

    const fault = origin.faults.shift() ?? (await origin.refuses?.(request)) ?? origin.always;
    if (fault.delayMs !== undefined) await pause(fault.delayMs, response);
    if (fault.reset) return void request.socket.resetAndDestroy();
    const own = ownReply(fault, found);
    const planned = own?.planned ?? planReply(found as Served, request.headers, fault);
    const body = own === undefined ? bodyOf(found as Served, planned, fault) : own.body;

    hit.status = planned.status;
    response.statusCode = planned.status;
    for (const [name, value] of Object.entries(headersOf(planned, body.size, fault))) {
      response.setHeader(name, value);
    }
    if (fault.untilClose) response.shouldKeepAlive = false;
    if (fault.untilClose) response.useChunkedEncodingByDefault = false;
    if (method === 'HEAD' || planned.status === 304) return void response.end();
    response.flushHeaders();
    await send(body, fault, response, hit);
  }

  async function send(body: VirtualBlob, fault: Fault, response: ServerResponse, hit: Hit): Promise<void> {
    const own = pace(fault.bitsPerSecond);
    const stops = [fault.stallAfterBytes, fault.cutAfterBytes, fault.resetAfterBytes];
    for (let at = 0; ; ) {
      if (at === fault.stallAfterBytes) await pause(fault.stallMs, response);
      if (at === fault.cutAfterBytes) return void response.socket?.end();
      if (at === fault.resetAfterBytes) return void response.socket?.resetAndDestroy();
      if (at >= body.size || response.destroyed) break;
      const wanted = Math.min(fault.trickle?.bytes ?? PIECE_BYTES, body.size - at);
      const stop = Math.min(...stops.filter((stop) => stop !== undefined && stop > at).map(Number));
      const piece = body.at(at, Math.min(wanted, stop - at));
      at += piece.length;
      await Promise.all([uplink(piece.length), own(piece.length)]);
      if (!(await write(response, piece))) return;
      hit.bytes += piece.length;
      bytesSent += piece.length;
      if (fault.trickle) await pause(fault.trickle.everyMs, response);
    }
    response.end();
  }

  /** Ends early when the other side is gone or the origin stops; without a time, only then. */
  async function pause(ms: number | undefined, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    const end = () => gone.abort();
    response.once('close', end);
    stopped.signal.addEventListener('abort', end);
    // The longest a timer takes: some 25 days.
    await wait(ms ?? 2 ** 31 - 1, undefined, { signal: gone.signal }).catch(() => {});
    response.off('close', end);
    stopped.signal.removeEventListener('abort', end);
  }
}

/** The reply that needs no blob: an error to order, a redirect, or "not found". */
function ownReply(
  fault: Fault,
  found: Served | undefined,
): { planned: PlannedReply; body: VirtualBlob } | undefined {
  const status = fault.redirect === undefined ? fault.status : 307;
  if (status === undefined && found !== undefined) return undefined;
  const text = fault.body ?? (status === undefined ? 'no such blob\n' : `origin says ${status}\n`);
  const headers: Record<string, string> = { 'content-type': 'text/plain' };
  if (fault.redirect !== undefined) headers.location = fault.redirect;
  const body = served(Buffer.from(text), {}).blob;
  return { planned: { status: status ?? 404, headers, start: 0, end: body.size }, body };
}

function bodyOf({ blob }: Served, { start, end }: PlannedReply, fault: Fault): VirtualBlob {
  const size = Math.min(end - start, fault.shortBody ?? Infinity) + (fault.extraBytes ?? 0);
  const body: VirtualBlob = {
    size,
    at(offset, length) {
      const piece = Buffer.alloc(Math.min(length, size - offset));
      blob.at(start + offset, Math.min(piece.length, blob.size - start - offset)).copy(piece);
      const flip = (fault.corrupt ?? -1) - start - offset;
      if (flip >= 0 && flip < piece.length) piece[flip] = (piece[flip] ?? 0) ^ 1;
      return piece;
    },
  };
  if (!fault.gzip) return body;
  const packed = gzipSync(body.at(0, size));
  return { size: packed.length, at: (offset, length) => packed.subarray(offset, offset + length) };
}

function headersOf(planned: PlannedReply, size: number, fault: Fault): Record<string, string | string[]> {
  const headers: Record<string, string | string[] | null> = { ...planned.headers };
  if (planned.status !== 304 && !fault.chunked && !fault.untilClose) headers['content-length'] = String(size);
  if (fault.gzip) headers['content-encoding'] = 'gzip';
  Object.assign(headers, fault.headers);
  return Object.fromEntries(
    Object.entries(headers).filter((header): header is [string, string | string[]] => header[1] !== null),
  );
}

/** False when the other side is gone. */
const write = (response: ServerResponse, piece: Buffer): Promise<boolean> =>
  new Promise((resolve) => {
    const gone = () => resolve(false);
    response.once('close', gone);
    response.write(piece, (error) => {
      response.off('close', gone);
      resolve(!error);
    });
  });
