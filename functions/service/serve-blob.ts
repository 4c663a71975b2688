import type { IncomingMessage, ServerResponse } from 'node:http';
import { credentialOf } from '../blob/access/credential.ts';
import type { Ask } from '../blob/ask.ts';
import type { Blob } from '../blob/blob.ts';
import { ageSeconds, type BlobFacts } from '../blob/facts.ts';
import type { BlobReader } from '../blob/reader.ts';
import type { ChunkStore } from '../blob/store.ts';
import type { Upstream } from '../blob/upstream.ts';
import type { Address } from '../protocol/address.ts';
import { formatContentDigest } from '../protocol/digest.ts';
import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import { formatGrant } from '../protocol/grant.ts';
import {
  ACCESS_HEADER,
  AGENT_HEADER,
  BLOB_HEADER,
  capChain,
  formatBlobLine,
  forwardedHeaders,
  headerValue,
  PROXY_NAME,
  SOURCE_HEADER,
} from '../protocol/headers.ts';
import { MANIFEST_ACCEPT } from '../protocol/manifest.ts';
import { PLAN_TYPE } from '../protocol/plan.ts';
import { parseRange, type RangeSpec, type Span } from '../protocol/range.ts';
import type { Metrics } from './metrics.ts';
import { Outlet } from './outlet.ts';
import { evaluatePreconditions, rangeStands } from './preconditions.ts';
import { checkReplyLength, relay } from './relay.ts';
import { planReply, type ReplyPlan } from './reply-plan.ts';
import { makePlan, wantsPlan } from './serve-plan.ts';

/** What serving blobs takes. */
export interface BlobServerParts {
  readonly reader: BlobReader;
  /** Asked directly for what may not be cached. */
  readonly upstream: Upstream;
  /** This node's address, for X-P2P-Source. */
  readonly self: string;
  readonly metrics: Metrics;
  readonly now: () => number;
  /** Largest body a reply may have, bytes; a function's platform sets one. */
  readonly maxReplyBytes?: number;
  /** Where others can read a chunk by themselves. */
  readonly locate?: ChunkStore['locate'] | undefined;
}

/** One request for a blob, whichever way it came in. */
export interface BlobRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly address: Address;
  /** X-P2P-Agent for the next hop; undefined where this node is the last. */
  readonly chain: string | undefined;
  /** Lower-case, put over the headers of a reply that comes out of the cache or goes into it. */
  readonly headers?: HeaderLines;
}

/** Answers GET and HEAD for blobs: 200, 206, 304, 412 and 416 from the reader; what may not be cached is relayed. */
export class BlobServer {
  readonly #parts: BlobServerParts;
  /** What is the same in every reply of a blob. */
  readonly #headers = new WeakMap<BlobFacts, HeaderLines>();

  constructor(parts: BlobServerParts) {
    this.#parts = parts;
  }

  /**
   * Serves one request to its end. Content-Length always comes first; a failure after the first byte throws
   * with the head sent, and the caller breaks the connection so that nothing looks complete.
   *
   * @throws P2PError METHOD_NOT_ALLOWED, PRECONDITION_FAILED, RANGE_UNSATISFIABLE, REPLY_TOO_LARGE, what the
   * upstream refused or failed with; CLIENT_GONE when the client leaves first.
   */
  async serve(asked: BlobRequest): Promise<void> {
    const { request, response } = asked;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new P2PError('METHOD_NOT_ALLOWED', `${request.method} is not served here; use GET or HEAD`, {
        headers: { Allow: 'GET, HEAD' },
      });
    }
    try {
      await this.#answer(asked);
    } catch (error) {
      if (response.headersSent || !mayAskAgain(error, request)) throw error;
      await this.#answer(asked);
    }
  }

  async #answer(asked: BlobRequest): Promise<void> {
    const { request } = asked;
    const startedMs = this.#parts.now();
    if (wantsPlan(request)) return this.#plan(asked);
    const specs = request.method === 'GET' ? parseRange(request.headers.range) : undefined;
    const blob =
      negotiates(asked) || hasCookies(request) || isUnstored(request)
        ? undefined
        : await this.#parts.reader.open(this.#ask(asked, specs));
    if (blob === undefined) return this.#relay(asked);
    const { facts } = blob;
    const verdict = evaluatePreconditions(request.headers, facts);
    if (verdict === 'failed') throw new P2PError('PRECONDITION_FAILED', 'the blob is another version');
    if (verdict === 'not-modified') return this.#head(asked, 304, blob, {});
    const plan = planReply(
      facts,
      rangeStands(headerValue(request.headers, 'if-range'), facts) ? specs : undefined,
    );
    if (request.method === 'HEAD' || plan.length === 0) {
      return this.#head(asked, plan.status, blob, plan.headers);
    }
    checkReplyLength(plan.length, this.#parts.maxReplyBytes);
    if (!this.#answerAtOnce(asked, blob, plan, startedMs)) await this.#stream(asked, blob, plan, startedMs);
  }

  #head(asked: BlobRequest, status: number, blob: Blob, headers: HeaderLines): void {
    const { response } = asked;
    const local = { ...this.#blobHeaders(asked, blob), ...hit(blob.facts, this.#parts.now()) };
    response.writeHead(status, { ...local, ...asked.headers, ...headers });
    response.end();
  }

  /** Says where the bytes are. 204 stands for what is not cached, and has to be asked for as ever. */
  async #plan(asked: BlobRequest): Promise<void> {
    const { request, response } = asked;
    const { locate, now } = this.#parts;
    if (locate === undefined) throw new P2PError('NO_PLANS', 'nobody but this node can read its store');
    const specs = parseRange(request.headers.range);
    const isHead = request.method === 'HEAD';
    const blob =
      isHead || hasCookies(request) ? undefined : await this.#parts.reader.open(this.#ask(asked, specs));
    const plan = blob && (await makePlan(blob.facts, specs, locate, this.#blobHeaders(asked, blob), now));
    if (plan !== undefined || isHead) response.writeHead(200, { 'content-type': PLAN_TYPE });
    else response.writeHead(204);
    response.end(plan && JSON.stringify(plan));
  }

  /** Answers in one write what lies in one chunk in memory, as most small ranges of a hot blob do. */
  #answerAtOnce(asked: BlobRequest, blob: Blob, plan: ReplyPlan, startedMs: number): boolean {
    const [part] = plan.parts;
    const glance = part === undefined || part.preamble !== '' ? undefined : blob.glance(part.span);
    if (glance === undefined) return false;
    this.#begin(asked, blob, plan, startedMs);
    // Of a reply that breaks off the memory is left to the garbage collector.
    asked.response.end(glance.bytes, () => glance.release());
    return true;
  }

  #ask({ request, address, chain }: BlobRequest, specs: readonly RangeSpec[] | undefined): Ask {
    const { headers, method } = request;
    return {
      address,
      headers: {
        'user-agent': PROXY_NAME,
        ...(address.isManifest ? { accept: MANIFEST_ACCEPT } : {}),
        ...(chain === undefined ? {} : { [AGENT_HEADER]: capChain(chain) }),
        ...(headers.authorization === undefined ? {} : { authorization: headers.authorization }),
      },
      first: method === 'HEAD' && !address.isManifest ? undefined : firstByte(specs),
      wantsBody: method !== 'HEAD',
      credential: credentialOf(address, headers.authorization),
      // A whole blob is checked again only for a node of ours, which has seen it fail.
      doubtful:
        /\bno-cache\b/.test(headers['cache-control'] ?? '') &&
        (address.digest === undefined || AGENT_HEADER in headers),
    };
  }

  async #stream(asked: BlobRequest, blob: Blob, plan: ReplyPlan, startedMs: number): Promise<void> {
    const { response } = asked;
    const outlet = new Outlet(response);
    for (const { preamble, span } of plan.parts) {
      let begun = false;
      for await (const piece of blob.read(span, outlet.signal)) {
        if (!response.headersSent) this.#begin(asked, blob, plan, startedMs);
        // As Node writes header values: a letter a byte.
        if (!begun && preamble !== '') await outlet.send(Buffer.from(preamble, 'latin1'));
        begun = true;
        await outlet.send(piece);
      }
    }
    response.end(plan.trailer);
  }

  /** Sends the head, once the first bytes are there and have shown where they come from. */
  #begin(asked: BlobRequest, blob: Blob, plan: ReplyPlan, startedMs: number): void {
    const { response, headers } = asked;
    const { facts, first } = blob;
    const { metrics } = this.#parts;
    const nowMs = this.#parts.now();
    const isHit = !UPSTREAM_KINDS.has(first?.from ?? '');
    const [only] = plan.parts;
    const isOneChunk = plan.parts.length === 1 && only !== undefined && coversChunk(only.span, facts);
    response.writeHead(plan.status, {
      ...this.#blobHeaders(asked, blob),
      ...plan.headers,
      ...(isHit ? hit(facts, nowMs) : miss(facts, nowMs)),
      ...(isOneChunk && first?.sha256 !== undefined
        ? { 'content-digest': formatContentDigest(first.sha256) }
        : {}),
      ...headers,
    });
    metrics.firstByte(isHit ? 'hit' : 'miss', (nowMs - startedMs) / 1000);
  }

  #blobHeaders({ request }: BlobRequest, { facts, grant }: Blob): HeaderLines {
    let headers = this.#headers.get(facts);
    if (headers === undefined) {
      headers = {
        ...facts.headers,
        via: `1.1 ${PROXY_NAME}`,
        [SOURCE_HEADER]: this.#parts.self,
        [BLOB_HEADER]: formatBlobLine({ ...facts, key: facts.digest ?? facts.key }),
      };
      this.#headers.set(facts, headers);
    }
    if (!(AGENT_HEADER in request.headers)) return headers;
    // Only a node of ours serves it on to others.
    return { ...headers, [ACCESS_HEADER]: formatGrant(grant, this.#parts.now()) };
  }

  async #relay({ request, response, address, chain }: BlobRequest): Promise<void> {
    const headers = {
      // What is fetched to be shared is asked for in our own name; this is for the one client alone.
      ...forwardedHeaders(request.headers),
      ...(chain === undefined ? {} : { [AGENT_HEADER]: chain }),
    };
    const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
    await relay(
      this.#parts.upstream,
      { address, method, headers },
      response,
      new Outlet(response),
      this.#parts.maxReplyBytes,
    );
  }
}

/** Where a read begins, so that what is asked for first brings it along. A manifest's HEAD is followed by its GET. */
function firstByte(specs: readonly RangeSpec[] | undefined): number | undefined {
  const first = specs?.[0];
  if (first === undefined) return 0;
  return 'first' in first ? first.first : undefined;
}

/**
 * True when a request that failed before the client saw any reply is worth a second try from the start: the blob
 * changed or proved wrong; or a client's request, which is no circle, has shared a fetch with one that claims to be.
 */
function mayAskAgain(error: unknown, { headers }: IncomingMessage): boolean {
  if (!(error instanceof P2PError)) return false;
  if (error.code === 'LOOP_DETECTED') return !(AGENT_HEADER in headers);
  return error.retry === 'restart' || error.code === 'CHUNK_CORRUPT';
}

/** True when what the client gets depends on its Accept (RFC 9110 §12.5.1). What a digest names does not. */
const negotiates = ({ address, request }: BlobRequest): boolean =>
  address.digest === undefined && (request.headers.accept ?? '*/*').trim() !== '*/*';

/** An event without cookies may still become a request with an empty header of them. */
const hasCookies = ({ headers }: IncomingMessage): boolean => (headers.cookie ?? '') !== '';

/** True when a node of ours wants the origin's own word (RFC 9111 §5.2.1.5); clients are not to choose that for all. */
const isUnstored = ({ headers }: IncomingMessage): boolean =>
  AGENT_HEADER in headers && /\bno-store\b/.test(headers['cache-control'] ?? '');

const UPSTREAM_KINDS: ReadonlySet<string> = new Set(['origin', 'root', 'sibling']);

/** Age (RFC 9111 §5.1) and Cache-Status (RFC 9211) of what is served from here. */
const hit = (facts: BlobFacts, nowMs: number): HeaderLines => ({
  age: String(ageSeconds(facts, nowMs)),
  'cache-status': `${PROXY_NAME}; hit`,
});

/** What another cache has kept for a while is that old here too; what the origin just vouched for has no age. */
function miss(facts: BlobFacts, nowMs: number): HeaderLines {
  const seconds = ageSeconds(facts, nowMs);
  return {
    ...(seconds > 0 ? { age: String(seconds) } : {}),
    'cache-status': `${PROXY_NAME}; fwd=miss`,
  };
}

const coversChunk = ({ start, end }: Span, { chunkBytes, size }: BlobFacts): boolean =>
  start % chunkBytes === 0 && end === Math.min(size, start + chunkBytes);
