import { nodeFailure } from '../../functions/blob/answer.ts';
import type { BlobFacts } from '../../functions/blob/facts.ts';
import type { Giver, Reply, ReplyBody, ShownRight, UpstreamQuery } from '../../functions/blob/upstream.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { AGENT_HEADER, BLOB_HEADER, HOPS_HEADER, headerValue } from '../../functions/protocol/headers.ts';
import { parseContentRange } from '../../functions/protocol/range.ts';
import { audienceOf } from '../../functions/protocol/token.ts';
import { provenBy } from '../../functions/service/chunk-proof.ts';
import type { ChunkSignatures } from '../../functions/service/chunk-signature.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import type { NodeCalls } from '../../functions/service/node-calls.ts';
import type { Member } from '../members/member.ts';
import type { Health } from './health.ts';
import type { Hedging } from './hedging.ts';
import type { ShownRights } from './shown-rights.ts';

/** What asking one sibling takes. */
export interface SiblingClientParts {
  readonly http: HttpClient;
  readonly apiKey: string;
  readonly chunkBytes: number;
  readonly calls: NodeCalls;
  readonly signatures: ChunkSignatures;
  readonly rights: ShownRights;
  readonly health: Health;
  readonly hedging: Hedging;
  /** Told of each node whose bytes were wrong. */
  readonly onBlame: (node: string) => void;
  readonly now: () => number;
}

/** Where a request has been and is now. */
export interface Stop {
  readonly member: Member;
  /** X-P2P-Agent: the nodes that have asked for it or were asked, this one last. */
  readonly chain: readonly string[];
  /** How often it was sent on. */
  readonly redirects: number;
  /** By what right it is asked for. */
  readonly right: ShownRight | undefined;
}

/** What a sibling says: the bytes, or who has them. */
export type SiblingAnswer = { readonly reply: Reply } | { readonly location: string };

// 301 and the like are for those who would ask there from now on.
const REDIRECTS: ReadonlySet<number> = new Set([302, 303, 307]);

/** Asks one sibling for a range of one chunk, and keeps what that shows of its health. */
export class SiblingClient {
  readonly #parts: SiblingClientParts;

  constructor(parts: SiblingClientParts) {
    this.#parts = parts;
  }

  /**
   * The range, or where the sibling says that it is. Anything else it says is no answer: of what an origin refuses,
   * or has no more of, the roots are to be asked.
   *
   * @throws P2PError UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT, UPSTREAM_FAILED, UPSTREAM_MISMATCHED, LOOP_DETECTED; CLIENT_GONE.
   */
  async ask(query: UpstreamQuery, stop: Stop, signal: AbortSignal): Promise<SiblingAnswer> {
    const { health, hedging, now } = this.#parts;
    const { url } = stop.member;
    const startedMs = now();
    let isAlive = false;
    const lives = () => {
      if (!isAlive) hedging.took(now() - startedMs);
      isAlive = true;
    };
    const heard = () => {
      lives();
      query.heard?.();
    };
    const reply = await this.#request({ ...query, heard }, stop, signal).catch((error: unknown) => {
      if (isOwnFailure(error)) health.failed(url);
      throw error;
    });
    const location = REDIRECTS.has(reply.status) ? headerValue(reply.headers, 'location') : undefined;
    if (location !== undefined) {
      reply.body.discard();
      health.succeeded(url);
      return { location };
    }
    lives();
    await this.#check(reply, url);
    const from: Giver = { name: url, kind: 'sibling', blame: () => this.#blame(url) };
    const start = parseContentRange(headerValue(reply.headers, 'content-range'))?.span?.start ?? 0;
    const proof = (facts: BlobFacts, index: number) =>
      provenBy(this.#parts.signatures, facts, index, { start }, { ...reply.headers, ...reply.trailers?.() });
    return { reply: { ...reply, from, proof, body: this.#watched(reply.body, url) } };
  }

  #request(
    { address, method, headers, bulk = false, heard }: UpstreamQuery,
    { member, chain, redirects, right }: Stop,
    signal: AbortSignal,
  ): Promise<Reply> {
    const { http, apiKey, calls, rights } = this.#parts;
    const audience = audienceOf(member.url);
    return calls.send({ url: member.url, audience }, 'read', (proof, aheadMs) => {
      const asked = rights.inPlaceOfCredential(address, headers, right, audience, aheadMs);
      const url = `${member.url}/${apiKey}/${asked.url}`;
      const sent = {
        ...asked.headers,
        [AGENT_HEADER]: chain.join(' '),
        ...(redirects > 0 ? { [HOPS_HEADER]: String(redirects) } : {}),
        te: 'trailers',
        ...proof,
      };
      return http.request({ url, method, headers: sent, bulk, interim: heard }, signal);
    });
  }

  async #check(reply: Reply, url: string): Promise<void> {
    const { chunkBytes, health } = this.#parts;
    const failure = await nodeFailure(reply, { name: url, kind: 'sibling' });
    if (failure?.retry === 'elsewhere') throw failure;
    // What its rules forbid may be allowed here, and what it says of that is not for our clients.
    if (failure !== undefined) throw new P2PError('UPSTREAM_FAILED', failure.message);
    const chunk = /(?:^|; )chunk=(\d+)/.exec(headerValue(reply.headers, BLOB_HEADER) ?? '')?.[1];
    if (reply.status === 206 && chunk === String(chunkBytes)) return;
    reply.body.discard();
    if (reply.status >= 500) health.failed(url);
    const why =
      reply.status === 206 ? `has chunks of ${chunk} bytes, not ${chunkBytes}` : `answered ${reply.status}`;
    throw new P2PError('UPSTREAM_MISMATCHED', `${url} ${why}`);
  }

  /** The body, with how it ends told to whoever keeps track. */
  #watched(body: ReplyBody, url: string): ReplyBody {
    const { health } = this.#parts;
    const watch = async (ending: Promise<void>): Promise<void> => {
      try {
        await ending;
        health.succeeded(url);
      } catch (error) {
        if (isOwnFailure(error)) health.failed(url);
        throw error;
      }
    };
    const { fill } = body;
    return {
      read: (sink) => watch(body.read(sink)),
      ...(fill && { fill: (target, progressed) => watch(fill.call(body, target, progressed)) }),
      discard: () => body.discard(),
    };
  }

  #blame(url: string): void {
    this.#parts.health.blamed(url);
    this.#parts.onBlame(url);
  }
}

// What the sink threw, or a client that left, says nothing of the sibling.
const isOwnFailure = (error: unknown): boolean =>
  error instanceof P2PError && /^UPSTREAM_(?:UNREACHABLE|TIMEOUT|TRUNCATED)$/.test(error.code);
