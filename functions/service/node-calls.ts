import { LRUCache } from 'lru-cache';
import type { Reply } from '../blob/upstream.ts';
import type { HeaderLines } from '../protocol/errors.ts';
import { headerValue } from '../protocol/headers.ts';
import { CLOCK_HEADER, TOKEN_HEADER, type TokenUse } from '../protocol/token.ts';
import type { NodeTokens } from './node-tokens.ts';

/** The node that is asked. */
export interface Callee {
  /** `scheme://host:port`: each has a clock of its own, though many share an audience. */
  readonly url: string;
  /** See `NodeToken`. */
  readonly audience: string;
}

// As many nodes a node asks.
const MAX_CLOCKS = 10_000;

/**
 * Asks other nodes of the cluster, with tokens that are of the time by the clock of whoever is asked. How far that is
 * off is learned from its own refusal; what others show is judged by this node's clock all the same.
 */
export class NodeCalls {
  readonly #tokens: NodeTokens;
  readonly #aheadMs = new LRUCache<string, number>({ max: MAX_CLOCKS });

  constructor(tokens: NodeTokens) {
    this.#tokens = tokens;
  }

  /**
   * Sends a request with the headers that prove who asks; once more when it proves to have been too early or late.
   * `aheadMs` is how far the callee's clock is ahead, for whatever else is of a time.
   */
  async send(
    { url, audience }: Callee,
    use: TokenUse,
    request: (proof: HeaderLines, aheadMs: number) => Promise<Reply>,
  ): Promise<Reply> {
    const knownMs = this.#aheadMs.get(url) ?? 0;
    const token = this.#tokens.issue(audience, use, knownMs);
    const reply = await request({ [TOKEN_HEADER]: token }, knownMs);
    const clock = reply.status === 401 ? headerValue(reply.headers, CLOCK_HEADER) : undefined;
    const aheadMs = clock === undefined ? undefined : this.#tokens.aheadOf(token, clock);
    if (aheadMs === undefined) return reply;
    this.#aheadMs.set(url, aheadMs);
    reply.body.discard();
    return request({ [TOKEN_HEADER]: this.#tokens.issue(audience, use, aheadMs) }, aheadMs);
  }
}
