import type { LookupFunction } from 'node:net';
import type { SecureContext } from 'node:tls';
import { Agent, type Dispatcher, Pool } from 'undici';
import type { Reply, ReplyBody } from '../blob/upstream.ts';
import { redact } from '../protocol/address.ts';
import { type ErrorCode, type HeaderLines, P2PError } from '../protocol/errors.ts';
import { headerValue } from '../protocol/headers.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { HttpRequest } from './http-request.ts';
import { pacedReply } from './paced-reply.ts';
import { RangeClient } from './range-client.ts';
import { tlsFault } from './trust.ts';

// Of a body that nobody wants this much is read, for so long, to keep the connection for the next request.
const DRAIN_BYTES = 64 * 1024;
const DRAIN_MS = 2_000;

/** How long each step may take, milliseconds. `idleMs` is between two pieces of a body. */
export interface HttpLimits {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
}

/** A client over one pool of connections. */
export interface HttpClientOptions extends HttpLimits {
  /** Resolves the host name of an origin in place of the system's DNS; may refuse it by a P2PError. */
  readonly lookup?: (origin: URL) => LookupFunction;
  /** Whom certificates are checked against; default: whom Node trusts. They are always checked. */
  readonly trust?: SecureContext | undefined;
  /** Most connections to one origin; requests beyond wait in line. */
  readonly connections: number;
  /** For so long at most an idle connection is kept, milliseconds; what its peer says is heeded. Default: four seconds. */
  readonly restMs?: number;
  /** What all bodies together may take; clients can share one. Absent: any. */
  readonly download?: Bandwidth | undefined;
}

/**
 * The only door to undici. Replies flow by `dispatch` with a small handler: the cheapest way through undici
 * that was measured. Redirects are not followed and bodies not decoded: both are the caller's to judge.
 */
export class HttpClient {
  readonly #agent: Agent;
  /** How long this client lets each step take. */
  readonly limits: HttpLimits;
  /** True where bodies may have to wait for bandwidth. */
  readonly isPaced: boolean;
  readonly #ranges: RangeClient;
  readonly #download: Bandwidth | undefined;

  constructor(options: HttpClientOptions) {
    const { lookup, trust, connections, download, ...limits } = options;
    this.limits = limits;
    this.#download = download;
    this.isPaced = download !== undefined;
    this.#ranges = new RangeClient(options);
    this.#agent = new Agent({
      connections,
      pipelining: 1,
      allowH2: false,
      headersTimeout: limits.firstByteMs,
      bodyTimeout: limits.idleMs,
      keepAliveTimeout: 10_000,
      maxHeaderSize: 64 * 1024,
      factory: (origin, options) =>
        new Pool(origin, {
          ...options,
          connect: {
            timeout: limits.connectMs,
            ...(lookup === undefined ? {} : { lookup: lookup(new URL(origin)) }),
            ...(trust === undefined ? {} : { secureContext: trust }),
            // Said here so that NODE_TLS_REJECT_UNAUTHORIZED cannot say otherwise.
            rejectUnauthorized: true,
          },
        }),
    });
  }

  /**
   * Sends a request; resolves when the head of the reply is there, whatever its status.
   * Aborting before the end closes the connection.
   *
   * @throws P2PError UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT, what `lookup` refused with; CLIENT_GONE on abort.
   */
  async request(request: HttpRequest, signal: AbortSignal): Promise<Reply> {
    const ranged = request.bulk ? await this.#ranges.request(request, signal) : undefined;
    const reply = ranged ?? (await this.#dispatch(request, signal));
    return this.#download === undefined ? reply : pacedReply(reply, this.#download, signal);
  }

  /** Closes every connection at once; requests under way fail. */
  async close(): Promise<void> {
    await Promise.all([this.#ranges.close(), this.#agent.destroy()]);
  }

  #dispatch(request: HttpRequest, signal: AbortSignal): Promise<Reply> {
    const url = new URL(request.url);
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(
        `${request.method} ${redact(request.url)}`,
        this.limits,
        resolve,
        reject,
        signal,
        request.interim,
      );
      const { host: _, ...headers } = request.headers;
      this.#agent.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: request.method as Dispatcher.HttpMethod,
          headers: request.headers.host === undefined ? headers : request.headers,
          body: request.body ?? null,
        },
        exchange,
      );
    });
  }
}

/** One request and its reply: undici's handler on one side, our `ReplyBody` on the other. */
class Exchange implements Dispatcher.DispatchHandler, ReplyBody {
  readonly #what: string;
  readonly #limits: HttpLimits;
  readonly #onHead: (reply: Reply) => void;
  readonly #onFailure: (error: P2PError) => void;
  readonly #signal: AbortSignal;
  readonly #interim: (() => void) | undefined;
  readonly #abort = () => this.#stop(new P2PError('CLIENT_GONE', `${this.#what} was aborted`));

  #controller: Dispatcher.DispatchController | undefined;
  #hasHead = false;
  /** Bytes that the head announces; 0 when it does not say. */
  #length = 0;
  #isDiscarded = false;
  #ended = false;
  #trailers: HeaderLines = {};
  #error: P2PError | undefined;
  /** Pieces that came before anyone read. */
  #early: Uint8Array[] = [];
  #reader:
    | { sink: (piece: Uint8Array) => void | Promise<void>; settle: (error?: unknown) => void }
    | undefined;
  #busy: Promise<void> | undefined;

  constructor(
    what: string,
    limits: HttpLimits,
    onHead: (reply: Reply) => void,
    onFailure: (error: P2PError) => void,
    signal: AbortSignal,
    interim: (() => void) | undefined,
  ) {
    this.#interim = interim;
    this.#what = what;
    this.#limits = limits;
    this.#onHead = onHead;
    this.#onFailure = onFailure;
    this.#signal = signal;
    signal.addEventListener('abort', this.#abort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#signal.aborted) this.#abort();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: object): void {
    if (status < 200) {
      this.#interim?.();
      return;
    }
    this.#hasHead = true;
    const length = Number(headerValue(headers as HeaderLines, 'content-length') ?? 0);
    // That of a 304 is of the body that it does not bring.
    this.#length = status === 304 ? 0 : length;
    controller.pause();
    this.#onHead({ status, headers: headers as HeaderLines, body: this, trailers: () => this.#trailers });
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Uint8Array): void {
    // Resumed with nothing to read, undici's parser reports an empty piece. Pausing for that, and resuming in a
    // microtask, would go round for ever and never let the socket be read.
    if (piece.length === 0) return;
    if (this.#reader !== undefined && this.#busy === undefined) {
      this.#hand(piece);
      return;
    }
    this.#early.push(piece);
    controller.pause();
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: object): void {
    this.#ended = true;
    this.#trailers = trailers as HeaderLines;
    this.#signal.removeEventListener('abort', this.#abort);
    if (this.#busy === undefined && this.#early.length === 0) this.#reader?.settle();
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    this.#signal.removeEventListener('abort', this.#abort);
    const error = this.#error ?? this.#explain(cause);
    this.#error = error;
    if (this.#hasHead) this.#reader?.settle(error);
    else this.#onFailure(error);
  }

  read(sink: (piece: Uint8Array) => void | Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#reader = { sink, settle: (error) => (error === undefined ? resolve() : reject(error)) };
      this.#flow();
    });
  }

  discard(): void {
    const error = new P2PError('CLIENT_GONE', `${this.#what} was given up`);
    if (this.#ended || this.#error !== undefined || this.#isDiscarded) return;
    this.#isDiscarded = true;
    if (this.#length > DRAIN_BYTES) {
      this.#stop(error);
      return;
    }
    const late = setTimeout(() => this.#stop(error), DRAIN_MS);
    let drained = 0;
    const sink = (piece: Uint8Array) => {
      drained += piece.length;
      if (drained > DRAIN_BYTES) throw error;
    };
    this.read(sink).then(
      () => clearTimeout(late),
      () => clearTimeout(late),
    );
  }

  /** Hands over what has piled up, then lets the transfer go on. */
  #flow(): void {
    while (this.#busy === undefined) {
      const piece = this.#early.shift();
      if (piece === undefined) break;
      this.#hand(piece);
    }
    if (this.#busy !== undefined) return;
    if (this.#error !== undefined) this.#reader?.settle(this.#error);
    else if (this.#ended) this.#reader?.settle();
    else this.#controller?.resume();
  }

  #hand(piece: Uint8Array): void {
    try {
      const pending = this.#reader?.sink(piece);
      if (pending === undefined) return;
      this.#controller?.pause();
      this.#busy = pending;
      pending.then(
        () => {
          this.#busy = undefined;
          this.#flow();
        },
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#busy = undefined;
    this.#early = [];
    const reader = this.#reader;
    this.#reader = undefined;
    if (!this.#ended) this.#stop(new P2PError('CLIENT_GONE', `${this.#what} was given up`));
    reader?.settle(error);
  }

  #stop(error: P2PError): void {
    this.#error ??= error;
    if (this.#controller !== undefined) this.#controller.abort(error);
    else this.#onFailure(error);
  }

  #explain(cause: Error): P2PError {
    if (cause instanceof P2PError) return cause;
    const name = (cause as NodeJS.ErrnoException).code ?? cause.name;
    const [code, why] = this.#classify(name);
    return new P2PError(code, `${this.#what}: ${why}`, { cause });
  }

  #classify(name: string): [ErrorCode, string] {
    const { connectMs, firstByteMs, idleMs } = this.#limits;
    if (name === 'UND_ERR_CONNECT_TIMEOUT') return ['UPSTREAM_TIMEOUT', `no connection in ${connectMs} ms`];
    if (name === 'UND_ERR_HEADERS_TIMEOUT') return ['UPSTREAM_TIMEOUT', `no reply in ${firstByteMs} ms`];
    if (name === 'UND_ERR_BODY_TIMEOUT') return ['UPSTREAM_TIMEOUT', `nothing came for ${idleMs} ms`];
    const fault = tlsFault(name);
    if (fault !== undefined) return ['UPSTREAM_UNREACHABLE', fault];
    return this.#hasHead
      ? ['UPSTREAM_TRUNCATED', `the transfer broke (${name})`]
      : ['UPSTREAM_UNREACHABLE', `no answer (${name})`];
  }
}
