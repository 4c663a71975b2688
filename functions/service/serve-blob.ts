import type { Blob } from '../blob/blob.ts';
import type { BlobFacts } from '../blob/facts.ts';
import { FilePiece } from '../blob/file-piece.ts';
import type { BlobReader } from '../blob/reader.ts';
import type { ChunkStore } from '../blob/store.ts';
import type { Upstream } from '../blob/upstream.ts';
import { formatContentDigest } from '../protocol/digest.ts';
import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import { AGENT_HEADER, forwardedHeaders, headerValue } from '../protocol/headers.ts';
import { PLAN_RANGE_HEADER, PLAN_TYPE } from '../protocol/plan.ts';
import { parseRange, type Span } from '../protocol/range.ts';
import { Activity } from './activity.ts';
import { mayAskAgain } from './ask-again.ts';
import type { Bandwidth } from './bandwidth.ts';
import { BlobHeaders, hit, miss } from './blob-headers.ts';
import {
  askOf,
  type BlobRequest,
  hasCookies,
  isForOneAlone,
  takesTrailers,
  traceHeaders,
} from './blob-request.ts';
import { ChunkProof } from './chunk-proof.ts';
import type { ChunkSignatures } from './chunk-signature.ts';
import type { FileSender } from './file-sender.ts';
import { hearsWords, isInTurn, sendingOf } from './in-turn.ts';
import type { Metrics } from './metrics.ts';
import { Outlet } from './outlet.ts';
import { evaluatePreconditions, rangeStands } from './preconditions.ts';
import { relay } from './relay.ts';
import { ReplyLimit } from './reply-limit.ts';
import { planReply, type ReplyPlan } from './reply-plan.ts';
import type { SendTurns, Turn } from './send-turns.ts';
import { makePlan, wantsPlan } from './serve-plan.ts';
import type { RequestTrace, Traces } from './traces.ts';
import { WaitingNotice } from './waiting-notice.ts';

/** What serving blobs takes. */
export interface BlobServerParts {
  readonly reader: BlobReader;
  /**
   * True where every node is told of its request being worked on. Else they are told as long as that is heard of others:
   * of siblings that wait for each other none is to hear what only comes from them.
   */
  readonly tellsOfWork?: boolean;
  /** Asked directly for what may not be cached. */
  readonly upstream: Upstream;
  /** This node's address, for X-P2P-Source. */
  readonly self: string;
  readonly metrics: Metrics;
  readonly now: () => number;
  /** Largest body a reply may have, bytes; a function's platform sets one. */
  readonly maxReplyBytes?: number;
  /** What other nodes are sent, all together; absent: any. Clients are not held back. */
  readonly upload?: Bandwidth | undefined;
  /** By which other nodes are sent bodies; absent: all at once. */
  readonly turns?: SendTurns | undefined;
  /** Sends cached chunks without reading them, where the system can. */
  readonly files?: FileSender | undefined;
  /** Where there is a Secret: then nodes that ask can check what they are given. */
  readonly signatures?: ChunkSignatures | undefined;
  /** Where it is noted what requests were given, if anywhere. */
  readonly traces?: Traces | undefined;
  /** Where others can read a chunk by themselves. */
  readonly locate?: ChunkStore['locate'] | undefined;
}

/** Answers GET and HEAD for blobs: 200, 206, 304, 412 and 416 from the reader; what may not be cached is relayed. */
export class BlobServer {
  readonly #parts: BlobServerParts;
  readonly #headers: BlobHeaders;
  readonly #activity = new Activity(() => performance.now());

  constructor(parts: BlobServerParts) {
    this.#parts = parts;
    this.#headers = new BlobHeaders(parts.self, parts.now);
  }

  /** For how long no request has been answered, milliseconds; 0 while one is. */
  get idleMs(): number {
    return this.#activity.idleMs;
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
    const trace = this.#trace(asked);
    this.#activity.begin();
    try {
      const heeded = this.#heeding(asked);
      await this.#answerTwice(trace === undefined ? heeded : tracedBy(trace, heeded));
      trace?.end(String(response.statusCode));
    } catch (error) {
      trace?.end(error instanceof P2PError ? error.code : 'failed');
      throw error;
    } finally {
      this.#activity.end();
    }
  }

  /** The request, of a node with a way to tell it that it is worth waiting. */
  #heeding(asked: BlobRequest): BlobRequest {
    const { node, request, response } = asked;
    if (node === undefined) return asked;
    const notice = new WaitingNotice(response);
    if (this.#parts.tellsOfWork) {
      if (hearsWords(asked)) notice.keepSaying();
    } else if (takesTrailers(request)) return { ...asked, heard: () => notice.say() };
    return asked;
  }

  #trace({ request, address }: BlobRequest): RequestTrace | undefined {
    const { method = '', headers } = request;
    return this.#parts.traces?.begin({
      method,
      url: address.url,
      traceparent: headerValue(headers, 'traceparent'),
    });
  }

  async #answerTwice(asked: BlobRequest): Promise<void> {
    try {
      await this.#answer(asked);
    } catch (error) {
      if (asked.response.headersSent || !mayAskAgain(error, asked.request)) throw error;
      await this.#answer(asked);
    }
  }

  async #answer(asked: BlobRequest): Promise<void> {
    const { request } = asked;
    const startedMs = this.#parts.now();
    if (wantsPlan(request)) return this.#plan(asked);
    const specs = request.method === 'GET' ? parseRange(request.headers.range) : undefined;
    const blob = isForOneAlone(asked) ? undefined : await this.#parts.reader.open(askOf(asked, specs));
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
    this.#limit(asked)?.check(plan.length);
    if (!this.#answerAtOnce(asked, blob, plan, startedMs)) await this.#stream(asked, blob, plan, startedMs);
  }

  #head(asked: BlobRequest, status: number, blob: Blob, headers: HeaderLines): void {
    const { response } = asked;
    const local = { ...this.#headers.of(asked, blob), ...hit(blob.facts, this.#parts.now()) };
    response.writeHead(status, { ...local, ...asked.headers, ...headers });
    response.end();
  }

  /** Says where the bytes are. 204 stands for what is not cached, and has to be asked for as ever. */
  async #plan(asked: BlobRequest): Promise<void> {
    const { request, response } = asked;
    const { locate, now } = this.#parts;
    if (locate === undefined) throw new P2PError('NO_PLANS', 'nobody but this node can read its store');
    const specs = parseRange(headerValue(request.headers, PLAN_RANGE_HEADER) ?? request.headers.range);
    const isHead = request.method === 'HEAD';
    const blob =
      isHead || hasCookies(request) ? undefined : await this.#parts.reader.open(askOf(asked, specs));
    const plan = blob && (await makePlan(blob.facts, specs, locate, this.#headers.of(asked, blob), now));
    if (plan !== undefined || isHead) response.writeHead(200, { 'content-type': PLAN_TYPE });
    else response.writeHead(204);
    response.end(plan && JSON.stringify(plan));
  }

  /** Answers in one write what lies in one chunk in memory, as most small ranges of a hot blob do. */
  #answerAtOnce(asked: BlobRequest, blob: Blob, plan: ReplyPlan, startedMs: number): boolean {
    // What is limited goes through an outlet.
    if (this.#uploadTo(asked) !== undefined || this.#turnsFor(asked, blob, plan) !== undefined) return false;
    const [part] = plan.parts;
    const glance = part === undefined || part.preamble !== '' ? undefined : blob.glance(part.span);
    if (glance === undefined) return false;
    this.#begin(asked, blob, plan, startedMs, ChunkProof.of(this.#parts.signatures, asked, plan, blob.facts));
    // Of a reply that breaks off the memory is left to the garbage collector.
    asked.response.end(glance.bytes, () => glance.release());
    return true;
  }

  async #stream(asked: BlobRequest, blob: Blob, plan: ReplyPlan, startedMs: number): Promise<void> {
    const { response } = asked;
    const { files } = this.#parts;
    const outlet = new Outlet(response, this.#uploadTo(asked));
    const proof = ChunkProof.of(this.#parts.signatures, asked, plan, blob.facts);
    const turns = this.#turnsFor(asked, blob, plan);
    let turn: Turn | undefined;
    let trails = false;
    try {
      for (const { preamble, span } of plan.parts) {
        let begun = false;
        const pieces =
          files === undefined ? blob.read(span, outlet.signal) : blob.stream(span, outlet.signal);
        for await (const piece of pieces) {
          if (turns !== undefined && turn === undefined) {
            turn = await turns.take(sendingOf(asked, blob, plan), outlet.signal);
          }
          if (!response.headersSent) trails = this.#begin(asked, blob, plan, startedMs, proof);
          // As Node writes header values: a letter a byte.
          if (!begun && preamble !== '') await outlet.send(Buffer.from(preamble, 'latin1'));
          begun = true;
          if (piece instanceof FilePiece) {
            if (files !== undefined) await outlet.sendFile(piece, files);
          } else await outlet.send(piece);
        }
      }
      turn?.end(plan.length);
    } finally {
      turn?.end();
    }
    if (trails) response.addTrailers(proof?.lines(await blob.digest()) ?? {});
    response.end(plan.trailer);
  }

  /**
   * Sends the head, once the first bytes are there and have shown where they come from; `true` when the proof has to
   * come behind the body, for the chunk is not whole yet.
   */
  #begin(asked: BlobRequest, blob: Blob, plan: ReplyPlan, startedMs: number, proof?: ChunkProof): boolean {
    const { response, headers } = asked;
    const { facts, first } = blob;
    const trails = proof !== undefined && first?.sha256 === undefined && takesTrailers(asked.request);
    const { metrics } = this.#parts;
    const nowMs = this.#parts.now();
    const isHit = !UPSTREAM_KINDS.has(first?.from ?? '');
    const [only] = plan.parts;
    const isOneChunk = plan.parts.length === 1 && only !== undefined && coversChunk(only.span, facts);
    const digest = isOneChunk ? first?.sha256 : undefined;
    // Spread, so many lines cost a small range more than the rest of its head: measured, 6 us and not 0.3.
    const lines: HeaderLines = Object.assign(
      {},
      this.#headers.of(asked, blob),
      trails ? trailing(plan.headers, proof.names) : plan.headers,
      isHit ? hit(facts, nowMs) : miss(facts, nowMs),
      digest && { 'content-digest': formatContentDigest(digest) },
      first?.sha256 === undefined ? undefined : proof?.lines(first.sha256),
      headers,
    );
    response.writeHead(plan.status, lines);
    metrics.firstByte(isHit ? 'hit' : 'miss', (nowMs - startedMs) / 1000);
    return trails;
  }

  #limit(asked: BlobRequest): ReplyLimit | undefined {
    const { maxReplyBytes } = this.#parts;
    return maxReplyBytes === undefined ? undefined : new ReplyLimit(maxReplyBytes, asked);
  }

  #uploadTo({ node }: BlobRequest): Bandwidth | undefined {
    return node === undefined ? undefined : this.#parts.upload;
  }

  #turnsFor(asked: BlobRequest, { facts }: Blob, plan: ReplyPlan): SendTurns | undefined {
    return isInTurn(asked, facts, plan) ? this.#parts.turns : undefined;
  }

  async #relay(asked: BlobRequest): Promise<void> {
    const { request, response, address, chain } = asked;
    const headers = {
      // What is fetched to be shared is asked for in our own name; this is for the one client alone.
      ...forwardedHeaders(request.headers),
      ...traceHeaders(request, asked.trace),
      ...(chain === undefined ? {} : { [AGENT_HEADER]: chain }),
    };
    const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
    await relay(
      this.#parts.upstream,
      { address, method, headers },
      response,
      new Outlet(response, this.#uploadTo(asked)),
      this.#limit(asked),
    );
  }
}

/** The request, to be noted in its trace. */
function tracedBy(trace: RequestTrace, asked: BlobRequest): BlobRequest {
  const { request, response, address, node, shown, chain, heard } = asked;
  const headers = Object.assign({}, asked.headers, { traceresponse: trace.traceparent });
  // By name: a spread of it would cost a small range two microseconds.
  return { request, response, address, node, shown, chain, heard, trace, headers };
}

/** Without a length a body is sent in pieces, behind which there can be trailers (RFC 9112 §7.1). */
const trailing = ({ 'content-length': _, ...headers }: HeaderLines, names: string): HeaderLines => ({
  ...headers,
  trailer: names,
});

const UPSTREAM_KINDS: ReadonlySet<string> = new Set(['origin', 'root', 'sibling']);

const coversChunk = ({ start, end }: Span, { chunkBytes, size }: BlobFacts): boolean =>
  start % chunkBytes === 0 && end === Math.min(size, start + chunkBytes);
