import { createHash } from 'node:crypto';
import { addressKey } from '../../functions/blob/identity.ts';
import type { Reply, Source, Upstream } from '../../functions/blob/upstream.ts';
import type { Address } from '../../functions/protocol/address.ts';
import { type HeaderLines, P2PError } from '../../functions/protocol/errors.ts';
import { headerValue, WORDS_HEADER } from '../../functions/protocol/headers.ts';
import { parseRange } from '../../functions/protocol/range.ts';
import { ROOT_AUDIENCE } from '../../functions/protocol/token.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import type { NodeCalls } from '../../functions/service/node-calls.ts';
import { Breaker } from './breaker.ts';
import { asClient, isReferral, withoutInvented } from './dadip2p-root.ts';
import type { HedgeableSource } from './hedged.ts';
import { Hedging } from './hedging.ts';
import { Plans } from './plans.ts';
import { restoreRemapped } from './remapped.ts';

/** What asking roots takes. */
export interface RootsParts {
  /** `scheme://host:port` each, without a slash at the end. */
  readonly roots: readonly string[];
  readonly apiKey: string;
  readonly http: HttpClient;
  /** Where there is a Secret. */
  readonly calls?: NodeCalls | undefined;
  /** Size of the chunks that are asked for, where roots are asked for plans. */
  readonly chunkBytes?: number;
  /** True when someone else is asked after the roots: then one that keeps failing is not asked for a while. */
  readonly hasFallback: boolean;
  readonly now: () => number;
}

// A root has to ask the origin first, and waits for that longer than any client should for a root that is deaf: whoever
// else is asked after so long, and answers sooner, has lost as much time and is better.
const HEDGE_MS = 3_000;
// One that runs as a server says every half second that it works on it.
const SILENT_MS = 2_000;
// For so long its word is fresh. Who had to leave another root for it is told nothing.
const WORDS_MS = 6_000;

interface Root {
  readonly url: string;
  readonly plans: Plans | undefined;
  readonly breaker: Breaker;
}

/**
 * The configured roots. Each blob has its own order of them (rendezvous hashing), the same on every agent, so
 * that one root fetches it and the others stand in when that one fails.
 */
export class RootsUpstream implements Upstream {
  readonly #parts: RootsParts;
  readonly #roots: readonly Root[];
  readonly #hedging = new Hedging();

  constructor(parts: RootsParts) {
    const { http, now, chunkBytes } = parts;
    this.#parts = parts;
    this.#roots = parts.roots.map((url) => ({
      url,
      plans: chunkBytes === undefined ? undefined : new Plans({ http, now, chunkBytes }),
      breaker: new Breaker(parts.now),
    }));
  }

  *sources(address: Address): Iterable<HedgeableSource> {
    const key = addressKey(address);
    const ranked = [...this.#roots].sort((a, b) => (rank(a.url, key) < rank(b.url, key) ? -1 : 1));
    const failing: Root[] = [];
    for (const root of ranked) {
      if (root.breaker.isOpen) failing.push(root);
      else yield this.#source(root);
    }
    // With nobody else to ask, a root that failed of late is better than none.
    if (!this.#parts.hasFallback) for (const root of failing) yield this.#source(root);
  }

  /** The root that a URL leads to; `undefined` when it leads to none of them. */
  at(url: string): Source | undefined {
    const root =
      URL.canParse(url) && this.#roots.find((one) => new URL(one.url).origin === new URL(url).origin);
    return root ? this.#source(root) : undefined;
  }

  /** True of what begins in the middle of a chunk. */
  #isRest(headers: HeaderLines): boolean {
    const spec = parseRange(headerValue(headers, 'range'))?.[0];
    return spec !== undefined && 'first' in spec && spec.first % (this.#parts.chunkBytes ?? 1) !== 0;
  }

  #source({ url, plans, breaker }: Root): HedgeableSource {
    const { apiKey, http, calls } = this.#parts;
    const open: Source['open'] = async ({ address, method, headers, bulk = false, heard }, signal) => {
      const target = `/${apiKey}/${address.url}`;
      const staleMs = performance.now() + WORDS_MS;
      const interim = this.#isRest(headers)
        ? undefined
        : () => heard?.(performance.now() < staleMs ? 'fresh' : 'stale');
      const ask = (sent: HeaderLines) => {
        const send = (proof: HeaderLines) =>
          http.request(
            { url: url + target, method, headers: { ...sent, [WORDS_HEADER]: '1', ...proof }, bulk, interim },
            signal,
          );
        return calls === undefined ? send({}) : calls.send({ url, audience: ROOT_AUDIENCE }, 'read', send);
      };
      try {
        let reply = await ask(headers);
        if (isReferral(reply, target)) {
          reply.body.discard();
          reply = await ask(asClient(headers));
        }
        const said = withoutInvented(restoreRemapped(reply.headers, method));
        return watched({ ...reply, headers: said }, breaker);
      } catch (error) {
        if (isFailure(error)) breaker.failed();
        throw error;
      }
    };
    const planned: Source['open'] = (query, signal) => {
      this.#hedging.asked();
      return plans === undefined ? open(query, signal) : plans.open(query, signal, open);
    };
    const hedge = {
      afterMs: HEDGE_MS,
      silentMs: SILENT_MS,
      begin: () => this.#hedging.spend(),
      overtaken: () => breaker.failed(),
      left: () => breaker.failed(),
    };
    return { name: url, kind: 'root', open: planned, hedge };
  }
}

/** The reply, with its end told to the breaker. */
function watched(reply: Reply, breaker: Breaker): Reply {
  const { body } = reply;
  const watch = async (reading: Promise<void>) => {
    try {
      await reading;
      breaker.succeeded();
    } catch (error) {
      if (isFailure(error)) breaker.failed();
      throw error;
    }
  };
  const { fill } = body;
  return {
    ...reply,
    body: {
      discard() {
        // Given up by the reader: all that was to be had of the root, its head, has come.
        breaker.succeeded();
        body.discard();
      },
      read: (sink) => watch(body.read(sink)),
      ...(fill && { fill: (target, progressed) => watch(fill(target, progressed)) }),
    },
  };
}

// What the sink threw, or a client that left, says nothing of the root. Nor does a transfer that broke: after the
// head a root can tell a bad blob or a failing origin in no other way, and other blobs would suffer for it.
const isFailure = (error: unknown): boolean =>
  error instanceof P2PError && (error.code === 'UPSTREAM_UNREACHABLE' || error.code === 'UPSTREAM_TIMEOUT');

const rank = (root: string, key: string): string => createHash('md5').update(`${root} ${key}`).digest('hex');
