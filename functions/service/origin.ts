import type { Reply, Source, Upstream, UpstreamQuery } from '../blob/upstream.ts';
import { redact } from '../protocol/address.ts';
import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import { forwardedHeaders, headerValue } from '../protocol/headers.ts';
import { parseRange } from '../protocol/range.ts';
import type { HttpClient } from './http-client.ts';
import type { OriginAccess } from './origin-access.ts';
import { type Lane, OriginLanes } from './origin-lanes.ts';
import type { Rules } from './rules.ts';

// A registry redirects to its store, a store at most to another region.
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

// Pauses before asking the same origin again: one for a hiccup, one for a restart. Random, so that many roots
// that failed together do not come back together.
const RETRY_PAUSES_MS = [0, 100, 500];

/** What reading an origin takes. */
export interface OriginParts {
  readonly http: HttpClient;
  readonly access: OriginAccess;
  /** Judge where redirects lead. */
  readonly rules: Pick<Rules, 'refuseDenied'>;
  readonly random: () => number;
}

/** The origin as an upstream: the source of last resort, asked up to three times. */
export class OriginUpstream implements Upstream {
  readonly #parts: OriginParts;
  readonly #lanes: OriginLanes;

  constructor(parts: OriginParts) {
    this.#parts = parts;
    this.#lanes = new OriginLanes({ watches: !parts.http.isPaced });
  }

  *sources(): Iterable<Source> {
    for (const pauseMs of RETRY_PAUSES_MS) {
      yield {
        name: 'origin',
        kind: 'origin',
        open: async (query, signal) => {
          if (pauseMs > 0) await pause(pauseMs * (0.5 + this.#parts.random()), signal);
          return this.#open(query, signal);
        },
      };
    }
  }

  /**
   * One request to the origin, redirects followed. Every hop is judged by address and by the rules, the first also by
   * the list;
   * credentials are dropped when the host, port or scheme changes.
   */
  async #open(
    { address, method, headers, bulk = false }: UpstreamQuery,
    signal: AbortSignal,
  ): Promise<Reply> {
    let url = new URL(address.url);
    this.#parts.access.checkListed(url);
    let sent = forwardedHeaders(headers);
    const start = startOf(headers);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const range = { origin: url.origin, blob: address.url, start };
      const lane = bulk ? await this.#lanes.take(range, signal) : undefined;
      const request = { url: url.href, method, headers: sent, bulk };
      const asking = this.#parts.http.request(request, lane?.signal ?? signal);
      const reply = await asking.catch((error: unknown) => {
        lane?.leave();
        throw error;
      });
      const location = headerValue(reply.headers, 'location');
      if (!REDIRECTS.has(reply.status) || location === undefined)
        return withoutPeerHeaders(lane === undefined ? reply : inLane(reply, lane));
      reply.body.discard();
      lane?.leave();
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      if (next === undefined || (next.protocol !== 'http:' && next.protocol !== 'https:')) {
        throw new P2PError('UPSTREAM_FAILED', `the origin redirects to "${redact(location)}"`);
      }
      this.#parts.access.checkAddress(next);
      this.#parts.rules.refuseDenied(next.href);
      if (next.origin !== url.origin) {
        const { authorization: _, ...others } = sent;
        sent = others;
      }
      url = next;
    }
    throw new P2PError('UPSTREAM_FAILED', `the origin redirects more than ${MAX_REDIRECTS} times`);
  }
}

/** The reply, which keeps its lane until its body has ended; what is no range is as long as it likes, and shares. */
function inLane(reply: Reply, lane: Lane): Reply {
  const { body } = reply;
  if (reply.status !== 206) lane.share();
  const length = Number(headerValue(reply.headers, 'content-length'));
  const during = async (reading: Promise<void>): Promise<void> => {
    try {
      await reading;
      lane.leave(length);
    } catch (error) {
      lane.leave();
      if (!lane.isStuck) throw error;
      throw new P2PError(
        'UPSTREAM_TIMEOUT',
        'the origin sends nothing on this connection, and does on others',
      );
    }
  };
  const { fill } = body;
  return {
    ...reply,
    body: {
      read: (sink) =>
        during(
          body.read((piece) => {
            lane.moved();
            return sink(piece);
          }),
        ),
      ...(fill && {
        fill: (target, progressed) =>
          during(
            fill.call(body, target, (bytes) => {
              lane.moved();
              progressed(bytes);
            }),
          ),
      }),
      discard() {
        lane.leave();
        body.discard();
      },
    },
  };
}

/** Where what is asked for begins, bytes. */
function startOf(headers: HeaderLines): number {
  const [spec] = parseRange(headerValue(headers, 'range')) ?? [];
  return spec !== undefined && 'first' in spec ? spec.first : 0;
}

/** An origin is no node of ours: what it says in our headers, and of digests it made up, is not believed. */
function withoutPeerHeaders(reply: Reply): Reply {
  const kept = Object.entries(reply.headers).filter(
    ([name]) => !name.startsWith('x-p2p-') && name !== 'content-digest',
  );
  return { ...reply, headers: Object.fromEntries(kept) };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => {
      clearTimeout(timer);
      reject(new P2PError('CLIENT_GONE', 'given up while waiting to ask the origin again'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', gone);
      resolve();
    }, ms);
    signal.addEventListener('abort', gone, { once: true });
  });
}
