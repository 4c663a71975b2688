import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Leaf } from './authority.ts';
import type { Fault } from './fault.ts';
import type { Hit } from './origin.ts';
import { pace } from './pace.ts';

/** What a front does wrong with a request, as data. */
export interface Misdeed
  extends Pick<
    Fault,
    'status' | 'body' | 'headers' | 'reset' | 'delayMs' | 'cutAfterBytes' | 'resetAfterBytes'
  > {
  /** Flips a bit of the byte at this offset of the reply's body. */
  readonly corrupt?: number;
  /** The server behind does what is asked, but the connection is reset instead of its reply. */
  readonly loseReply?: true;
}

/** What a front does wrong with some requests. */
export interface FrontFault extends Misdeed {
  /** Which requests, as `GET /v2/…`. */
  readonly on: RegExp;
  /** So many of them; default: all. */
  readonly times?: number;
}

/** How a front starts. */
export interface FrontOptions {
  /** Takes TLS alone, with this certificate. */
  readonly tls?: Leaf;
  /** Limit over all replies together. */
  readonly bitsPerSecond?: number;
  /** Default: a free port of 127.0.0.1. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** Asked of each request that no fault is for. */
  readonly judge?: (asked: IncomingMessage) => Misdeed | undefined | Promise<Misdeed | undefined>;
  /** The time that replies tell; default: what the server behind tells. */
  readonly now?: () => number;
}

/** A reverse proxy before a real server: writes down what was asked and answered, and misbehaves to order. */
export interface Front extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly hits: Hit[];
  /** The requests for blobs alone. */
  blobHits(): Hit[];
  /** In order; the first that fits a request is done to it. */
  faults: readonly FrontFault[];
  /** The server behind, from the next request on. */
  upstream: string;
  /** Limit over all replies from now on; `undefined`: none. */
  bitsPerSecond: number | undefined;
  /** Forgets the hits. */
  forget(): void;
}

/** A fault for every request for a blob: the server is alive, and has nothing that would cost bytes. */
export const NO_BLOBS: FrontFault = { on: /\/blobs\//, status: 503 };

/**
 * Starts a front. A request reaches the server behind with its own Host. What breaks
 * on one side breaks on the other: a front never makes up an answer.
 */
export async function startFront(upstream: string, options: FrontOptions = {}): Promise<Front> {
  const { listen = { host: '127.0.0.1', port: 0 } } = options;
  const done = new Map<FrontFault, number>();
  let uplink = pace(options.bitsPerSecond);
  let bitsPerSecond = options.bitsPerSecond;
  const listener = (asked: IncomingMessage, reply: ServerResponse) => {
    answer(asked, reply).catch(() => reply.destroy());
  };
  const server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(listen, resolve);
  });
  const { port } = server.address() as AddressInfo;

  const front: Front = {
    url: `${options.tls === undefined ? 'http' : 'https'}://${listen.host}:${port}`,
    port,
    hits: [],
    blobHits: () => front.hits.filter(({ url }) => url.includes('/blobs/')),
    faults: [],
    upstream,
    get bitsPerSecond() {
      return bitsPerSecond;
    },
    set bitsPerSecond(limit) {
      bitsPerSecond = limit;
      uplink = pace(limit);
    },
    forget() {
      front.hits.length = 0;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return front;

  async function answer(asked: IncomingMessage, reply: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = asked;
    const hit: Hit = { method, url, headers, status: 0, bytes: 0, finished: false };
    front.hits.push(hit);
    reply.once('finish', () => {
      hit.finished = true;
    });
    const fault = faultOf(`${method} ${url}`) ?? (await options.judge?.(asked));
    if (fault?.delayMs !== undefined) await wait(fault.delayMs);
    if (fault?.reset) return void asked.socket.destroy();
    if (fault?.status !== undefined) {
      hit.status = fault.status;
      reply.writeHead(fault.status, fault.headers as Record<string, string> | undefined);
      return void reply.end(fault.body ?? `the front says ${fault.status}\n`);
    }
    const received = await forward(asked, reply);
    hit.status = received.statusCode ?? 0;
    if (fault?.loseReply) return void asked.socket.resetAndDestroy();
    reply.writeHead(hit.status, dated(received.rawHeaders));
    reply.flushHeaders();
    const stop = fault?.cutAfterBytes ?? fault?.resetAfterBytes ?? Infinity;
    for await (const piece of received as AsyncIterable<Buffer>) {
      const left = stop - hit.bytes;
      const sent = piece.subarray(0, left);
      const flip = (fault?.corrupt ?? -1) - hit.bytes;
      if (flip >= 0 && flip < sent.length) sent[flip] = (sent[flip] ?? 0) ^ 1;
      await uplink(sent.length);
      await write(reply, sent);
      hit.bytes += sent.length;
      if (left > piece.length) continue;
      if (fault?.resetAfterBytes === undefined) reply.socket?.end();
      else reply.socket?.resetAndDestroy();
      return;
    }
    reply.addTrailers(received.trailers as Record<string, string>);
    reply.end();
  }

  function dated(rawHeaders: string[]): string[] {
    const { now } = options;
    if (now === undefined) return rawHeaders;
    const isDate = (at: number) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'date';
    return rawHeaders.map((text, at) => (isDate(at) ? new Date(now()).toUTCString() : text));
  }

  function faultOf(line: string): FrontFault | undefined {
    const fault = front.faults.find(
      (fault) => fault.on.test(line) && (done.get(fault) ?? 0) < (fault.times ?? Infinity),
    );
    if (fault !== undefined) done.set(fault, (done.get(fault) ?? 0) + 1);
    return fault;
  }

  function forward(asked: IncomingMessage, reply: ServerResponse): Promise<IncomingMessage> {
    const { hostname, port } = new URL(front.upstream);
    const { method, url: path, headers } = asked;
    return new Promise((resolve, reject) => {
      const sent = request({ host: hostname, port, method, path, headers, agent: false });
      sent.once('response', resolve).on('error', reject);
      reply.once('close', () => sent.destroy());
      asked.pipe(sent);
    });
  }
}

const write = (reply: ServerResponse, piece: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    reply.write(piece, (error) => (error ? reject(error) : resolve()));
  });
