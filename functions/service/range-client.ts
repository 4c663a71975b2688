import type { LookupFunction } from 'node:net';
import type { Reply } from '../blob/upstream.ts';
import { redact } from '../protocol/address.ts';
import { hasCode } from '../protocol/errors.ts';
import type { ConnectionLimits } from './connection-fault.ts';
import { formatRequest } from './format-request.ts';
import type { HttpRequest } from './http-request.ts';
import { type Outcome, type RangeAsk, RangeConnection } from './range-connection.ts';
import { type InLine, waitInLine } from './wait-in-line.ts';

// An origin that could not be read this way is left to the general client for so long.
const UNSUITED_MS = 60_000;

// Shorter than the five seconds after which Node's servers, the quickest common ones, drop an idle connection.
const REST_MS = 4_000;

interface Host {
  readonly free: RangeConnection[];
  readonly waiting: InLine[];
  open: number;
  unsuitedUntilMs: number;
}

/** What the client is made of. */
export interface RangeClientOptions extends ConnectionLimits {
  readonly lookup?: (origin: URL) => LookupFunction;
  /** Most connections to one origin; requests beyond wait in line. */
  readonly connections: number;
  /** See `HttpClientOptions`. */
  readonly restMs?: number | undefined;
}

/**
 * Fetches ranges over plain HTTP at half the cost of a general client, for the bulk of the bytes. It gives up
 * on whatever is out of the ordinary, and says so; the general client then asks again.
 */
export class RangeClient {
  readonly #options: RangeClientOptions;
  readonly #hosts = new Map<string, Host>();
  readonly #all = new Set<RangeConnection>();

  constructor(options: RangeClientOptions) {
    this.#options = options;
  }

  /** Connections that are open or being opened. */
  get open(): number {
    return this.#all.size;
  }

  /** The reply, or `undefined` where the general client should ask. @throws P2PError as `HttpClient.request`. */
  async request(request: HttpRequest, signal: AbortSignal): Promise<Reply | undefined> {
    const url = new URL(request.url);
    const host = this.#host(url.origin);
    const text = formatRequest(request.method, url, request.headers);
    if (url.protocol !== 'http:' || text === undefined || performance.now() < host.unsuitedUntilMs)
      return undefined;
    const what = `${request.method} ${redact(request.url)}`;
    const outcome = await this.#send(url, host, { what, text, interim: request.interim }, signal);
    if (outcome === 'unsuited') {
      host.unsuitedUntilMs = performance.now() + UNSUITED_MS;
      return undefined;
    }
    return {
      status: outcome.head.status,
      headers: outcome.head.headers,
      body: outcome.body,
      trailers: outcome.trailers,
    };
  }

  async close(): Promise<void> {
    for (const connection of this.#all) connection.close();
  }

  async #send(url: URL, host: Host, ask: RangeAsk, signal: AbortSignal): Promise<Outcome> {
    const connection = await this.#take(url, host, ask.what, signal);
    const mayBeStale = connection.wasIdle;
    try {
      return await connection.request(ask, signal);
    } catch (error) {
      // It was closed by the other side just as it was used again: that says nothing of the other side.
      if (!mayBeStale || !hasCode(error, 'UPSTREAM_UNREACHABLE')) throw error;
      return (await this.#take(url, host, ask.what, signal, true)).request(ask, signal);
    }
  }

  async #take(
    url: URL,
    host: Host,
    what: string,
    signal: AbortSignal,
    fresh = false,
  ): Promise<RangeConnection> {
    while (host.free.length === 0 && host.open >= this.#options.connections) {
      await waitInLine(host.waiting, {}, what, signal);
    }
    for (let rested = host.free.pop(); rested !== undefined; rested = host.free.pop()) {
      if (fresh) {
        this.#forget(host, rested);
        continue;
      }
      rested.wake();
      return rested;
    }
    const connection: RangeConnection = new RangeConnection(
      url,
      this.#options,
      this.#options.lookup?.(url),
      (usable) => this.#freed(host, connection, usable),
    );
    host.open += 1;
    this.#all.add(connection);
    return connection;
  }

  #freed(host: Host, connection: RangeConnection, usable: boolean): void {
    if (usable) {
      connection.rest(this.#options.restMs ?? REST_MS);
      host.free.push(connection);
    } else if (!this.#forget(host, connection)) {
      return;
    }
    host.waiting.shift()?.call();
  }

  /** `false` for one that is forgotten already. */
  #forget(host: Host, connection: RangeConnection): boolean {
    if (!this.#all.delete(connection)) return false;
    host.open -= 1;
    const at = host.free.indexOf(connection);
    if (at !== -1) host.free.splice(at, 1);
    connection.close();
    return true;
  }

  #host(origin: string): Host {
    const host = this.#hosts.get(origin) ?? {
      free: [],
      waiting: [],
      open: 0,
      unsuitedUntilMs: 0,
    };
    this.#hosts.set(origin, host);
    return host;
  }
}
