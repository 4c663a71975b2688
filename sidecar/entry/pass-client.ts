import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SecureContext } from 'node:tls';
import { redact } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { OriginAccess } from '../../functions/service/origin-access.ts';
import { tlsFault } from '../../functions/service/trust.ts';
import { MAX_HEAD_BYTES } from '../http-servers.ts';
import { type HeaderPairs, trailersOf } from './header-lines.ts';

/** What the client is made of. */
export interface PassClientOptions {
  readonly access: OriginAccess;
  readonly connectMs: number;
  /** Whom certificates are checked against; default: whom Node trusts. */
  readonly trust?: SecureContext | undefined;
}

/** One request on its way through. */
export interface Passage {
  readonly url: URL;
  readonly method: string;
  /** Sent as they are. */
  readonly lines: (persists: boolean) => HeaderPairs;
  readonly body?: IncomingMessage;
  /** True when asking twice does no harm: then a connection that rests may be used, which may be closed any time. */
  readonly mayRepeat: boolean;
  /** Told of each 1xx reply. */
  readonly onInterim: (interim: Interim) => void;
}

/** A 1xx reply. */
export interface Interim {
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly rawHeaders: readonly string[];
}

/** The origin's reply, or its connection once it has left HTTP. */
export interface Passed {
  readonly reply: IncomingMessage;
  /** Set when the protocol was switched (101). */
  readonly connection?: Duplex;
  /** Closes the connection to the origin unless the exchange is over. */
  end(): void;
}

// Shorter than the five seconds after which Node's servers, the quickest common ones, drop an idle connection.
const REST_MS = 4_000;
const MAX_RESTING = 64;
const MAX_PER_ORIGIN = 1024;

/**
 * Carries requests to origins byte by byte as clients wrote them: header lines in their order, trailers, 1xx replies,
 * upgrades. undici shows none of these; the engine's own requests, which need none, go by it.
 */
export class PassClient {
  readonly #options: PassClientOptions;
  readonly #resting: Agents;
  readonly #fresh: Agents;

  constructor(options: PassClientOptions) {
    this.#options = options;
    const keep = {
      keepAlive: true,
      timeout: REST_MS,
      maxSockets: MAX_PER_ORIGIN,
      maxFreeSockets: MAX_RESTING,
    };
    this.#resting = { 'http:': new HttpAgent(keep), 'https:': new HttpsAgent(keep) };
    this.#fresh = { 'http:': new HttpAgent(), 'https:': new HttpsAgent() };
  }

  /**
   * Sends a request; resolves when the head of the final reply is there. Nothing but connecting has a time limit: what
   * passes through is the client's to time out.
   *
   * @throws P2PError UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT, UPSTREAM_MISMATCHED for what is no HTTP,
   * ORIGIN_NOT_ALLOWED; the signal's reason on abort.
   */
  async send(passage: Passage, signal: AbortSignal): Promise<Passed> {
    if (!passage.mayRepeat) return this.#send(passage, signal, this.#fresh);
    try {
      return await this.#send(passage, signal, this.#resting);
    } catch (error) {
      // It was closed by the origin just as it was used again: that says nothing of the origin.
      if (!(error instanceof StaleConnection)) throw error;
      return this.#send(passage, signal, this.#fresh);
    }
  }

  /** Closes every connection at once. */
  close(): void {
    for (const agents of [this.#resting, this.#fresh]) {
      for (const agent of Object.values(agents)) agent.destroy();
    }
  }

  #send(
    { url, method, lines, body, onInterim }: Passage,
    signal: AbortSignal,
    agents: Agents,
  ): Promise<Passed> {
    const { access, trust } = this.#options;
    const isSecure = url.protocol === 'https:';
    const sent = (isSecure ? httpsRequest : httpRequest)(url, {
      method,
      headers: lines(agents === this.#resting).flat(),
      agent: agents[isSecure ? 'https:' : 'http:'],
      lookup: access.lookup(url),
      maxHeaderSize: MAX_HEAD_BYTES,
      ...(trust === undefined ? {} : { secureContext: trust }),
      // Said here so that NODE_TLS_REJECT_UNAUTHORIZED cannot say otherwise.
      rejectUnauthorized: true,
    });
    // Of more lines than a thousand Node would leave out the rest.
    sent.maxHeadersCount = 0;
    return new Promise((resolve, reject) => {
      const leave = () => sent.destroy(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
      this.#limitConnecting(sent, url);
      sent
        .on('information', onInterim)
        .once('response', (reply) => resolve({ reply, end: () => endUnlessOver(sent, reply) }))
        .once('upgrade', (reply, connection: Socket, head: Buffer) => {
          signal.removeEventListener('abort', leave);
          connection.unshift(head);
          resolve({ reply, connection, end: () => connection.destroy() });
        })
        // After the head the reply's own body tells of what breaks.
        .on('error', (cause) => reject(this.#explain(cause, sent, `${method} ${redact(url.href)}`)));
      if (body === undefined) sent.end();
      else {
        // The head does not wait for the first piece.
        sent.flushHeaders();
        void upload(body, sent);
      }
    });
  }

  #limitConnecting(sent: ClientRequest, url: URL): void {
    const { connectMs } = this.#options;
    sent.once('socket', (socket) => {
      if (!socket.connecting) return;
      const late = setTimeout(() => {
        sent.destroy(new P2PError('UPSTREAM_TIMEOUT', `no connection to ${url.host} in ${connectMs} ms`));
      }, connectMs);
      const done = () => clearTimeout(late);
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', done).once('close', done);
    });
  }

  #explain(cause: NodeJS.ErrnoException, sent: ClientRequest, what: string): Error {
    if (cause instanceof P2PError) return cause;
    const code = cause.code ?? cause.name;
    if (sent.reusedSocket && STALE.has(code)) return new StaleConnection();
    if (code.startsWith('HPE_')) {
      return new P2PError('UPSTREAM_MISMATCHED', `${what}: the reply is no HTTP (${code})`, { cause });
    }
    return new P2PError('UPSTREAM_UNREACHABLE', `${what}: ${tlsFault(code) ?? `no answer (${code})`}`, {
      cause,
    });
  }
}

function endUnlessOver(sent: ClientRequest, reply: IncomingMessage): void {
  if (!sent.writableFinished || !reply.complete) sent.destroy();
}

interface Agents {
  readonly 'http:': HttpAgent;
  readonly 'https:': HttpsAgent;
}

const STALE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

class StaleConnection extends Error {}

/**
 * Sends a body on as it comes, trailers at its end. The origin is read from before each piece: who refuses an upload
 * answers and closes, and the answer must have been read before the next write fails, for that takes it along. What is
 * left of an upload that was given up is drained: it would hold up the sender's next request.
 */
async function upload(body: IncomingMessage, sent: ClientRequest): Promise<void> {
  try {
    for await (const piece of body.iterator({ destroyOnReturn: false })) {
      // The first ends the turn that brought the piece, the second one that has read whatever had come from the origin.
      await nextTurn();
      await nextTurn();
      if (sent.destroyed) return;
      if (!sent.write(piece)) await drained(sent);
    }
    const trailers = trailersOf(body);
    if (trailers.length > 0) sent.addTrailers(trailers);
    sent.end();
  } catch {
    // The client broke off: so does what it sends.
    sent.destroy();
  } finally {
    body.resume();
  }
}

const drained = (sent: ClientRequest): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      sent.off('drain', done).off('close', done);
      resolve();
    };
    sent.once('drain', done).once('close', done);
  });
