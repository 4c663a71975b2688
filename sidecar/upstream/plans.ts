import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { sha256Hex } from '../../functions/blob/hash.ts';
import type { Reply, Source, UpstreamQuery } from '../../functions/blob/upstream.ts';
import { type HeaderLines, P2PError } from '../../functions/protocol/errors.ts';
import { headerValue } from '../../functions/protocol/headers.ts';
import { PLAN_RANGE_HEADER, PLAN_TYPE, type Plan, parsePlan } from '../../functions/protocol/plan.ts';
import { formatContentRange, formatRange, parseRange, type Span } from '../../functions/protocol/range.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import { readText } from '../../functions/service/read-text.ts';

type Open = Source['open'];

/** What a root said of a part of a blob. */
interface Known {
  readonly plan: Plan;
  /** Its URLs are not used any more then. */
  readonly untilMs: number;
  /** Chunks that could not be had from there. */
  readonly failed: Set<number>;
}

/** What plans take. */
export interface PlansParts {
  /** Asks the stores that plans name. */
  readonly http: Pick<HttpClient, 'request'>;
  /** Size of the chunks that are asked for. */
  readonly chunkBytes: number;
  readonly now: () => number;
}

// Chunks that one question covers: what a reader comes to in the next while.
const ASKED_CHUNKS = 64;
// As long as this, what was not there is asked for as ever; then it may be there.
const ABSENT_MS = 30_000;
// A URL is not used when it may end on the way.
const MARGIN_MS = 30_000;
// After so many chunks that were not what they should be, the root is asked for all of them.
const MAX_FAILED = 3;
// A root that knows no plans may be another one by then.
const UNABLE_MS = 10 * 60_000;
const MAX_PLANS = 1_000;
// A plan that takes so long is for those who ask later; this one asks for the bytes, and hears how that goes.
const LATE_MS = 2_000;
// 256 URLs with what they are signed by; no root of ours sends as much.
const MAX_PLAN_BYTES = 2 ** 20;

/**
 * Reads a root's chunks where it says that they are, and asks the root itself for the rest. What comes from there is
 * whole and checked before any of it is passed on, and nothing of a client's request goes there.
 */
export class Plans {
  readonly #parts: PlansParts;
  /** By part of a blob and who asks; `undefined` in it: the root has no plan for it. */
  readonly #known: LRUCache<string, { readonly known: Known | undefined }>;
  readonly #asking = new Map<string, Promise<Reply | undefined>>();
  readonly #salt = randomBytes(32);
  // What many wait for does not end with the one who asked first; the client's own limits bound it.
  readonly #lasting = new AbortController().signal;
  #ability: { readonly isAble: Promise<boolean>; readonly untilMs: number } | undefined;

  constructor(parts: PlansParts) {
    this.#parts = parts;
    this.#known = new LRUCache({ max: MAX_PLANS, ttl: ABSENT_MS, perf: { now: parts.now } });
  }

  /** Asks as `open` does, by way of a plan where that spares the root the bytes. */
  async open(query: UpstreamQuery, signal: AbortSignal, open: Open): Promise<Reply> {
    const wanted = chunkWanted(query);
    if (wanted === undefined) return open(query, signal);
    const name = this.#nameOf(query, wanted);
    const refused = await soon(this.#prepare(name, query, wanted, open), signal, (late) =>
      late?.body.discard(),
    );
    return refused ?? (await this.#read(name, wanted, query, signal)) ?? open(query, signal);
  }

  /** Has a plan known, where there can be one; resolves to a refusal. */
  async #prepare(name: string, query: UpstreamQuery, wanted: Span, open: Open): Promise<Reply | undefined> {
    if (this.#known.has(name) || !(await this.#isAble(query, open)) || this.#known.has(name))
      return undefined;
    return this.#learn(name, query, wanted, open);
  }

  /** True of a root that knows plans: another would take the question for one for bytes, so HEAD comes first. */
  #isAble({ address, headers }: UpstreamQuery, open: Open): Promise<boolean> {
    const nowMs = this.#parts.now();
    if (this.#ability !== undefined && nowMs < this.#ability.untilMs) return this.#ability.isAble;
    const { range: _, ...others } = headers;
    const question = { address, method: 'HEAD', headers: { ...others, accept: PLAN_TYPE } } as const;
    const isAble = open(question, this.#lasting).then(
      (reply) => {
        reply.body.discard();
        if (reply.status >= 500) this.#ability = undefined;
        return isPlan(reply);
      },
      (error: unknown) => {
        this.#ability = undefined;
        throw error;
      },
    );
    this.#ability = { isAble, untilMs: nowMs + UNABLE_MS };
    return isAble;
  }

  /** Asks for a plan; resolves to the reply when that is a refusal, which is the client's to see. */
  #learn(name: string, query: UpstreamQuery, wanted: Span, open: Open): Promise<Reply | undefined> {
    const running = this.#asking.get(name);
    // The refusal is for whoever asked first; the others ask for theirs.
    if (running !== undefined) return running.then(nothing, nothing);
    const asking = this.#ask(name, query, wanted, open).finally(() => this.#asking.delete(name));
    this.#asking.set(name, asking);
    return asking;
  }

  async #ask(
    name: string,
    { address, headers: { range: _, ...headers } }: UpstreamQuery,
    { start }: Span,
    open: Open,
  ): Promise<Reply | undefined> {
    const range = formatRange({
      start,
      end: (this.#windowOf(start) + 1) * ASKED_CHUNKS * this.#parts.chunkBytes,
    });
    const asking = { ...headers, accept: PLAN_TYPE, [PLAN_RANGE_HEADER]: range };
    const asked = { address, method: 'GET', headers: asking } as const;
    const reply = await open(asked, this.#lasting);
    if (!isPlan(reply)) {
      if (reply.status >= 400) return reply;
      // Not cached, so not anywhere else: to be asked for as ever.
      reply.body.discard();
      this.#known.set(name, { known: undefined });
      return undefined;
    }
    const plan = parsePlan(await readText(reply.body, MAX_PLAN_BYTES, 'a root'));
    const lifeMs = (plan?.lifeSeconds ?? 0) * 1000 - MARGIN_MS;
    const isComplete = plan !== undefined && plan.chunks.length === plan.end - plan.first;
    const ttl = isComplete && lifeMs > 0 ? lifeMs : ABSENT_MS;
    this.#known.set(
      name,
      { known: plan && { plan, untilMs: this.#parts.now() + lifeMs, failed: new Set() } },
      { ttl },
    );
    return undefined;
  }

  /** The chunk, from where it is; `undefined` when it is not there, or not what it should be. */
  async #read(
    name: string,
    wanted: Span,
    { heard }: UpstreamQuery,
    signal: AbortSignal,
  ): Promise<Reply | undefined> {
    const known = this.#known.get(name)?.known;
    if (known === undefined || this.#parts.now() >= known.untilMs) return undefined;
    const { plan, failed } = known;
    const index = wanted.start / plan.chunkBytes;
    const chunk = failed.has(index) ? undefined : plan.chunks.find((one) => one.index === index);
    const end = Math.min(plan.size, wanted.start + plan.chunkBytes);
    if (chunk === undefined || wanted.end < end || wanted.end > wanted.start + plan.chunkBytes)
      return undefined;
    try {
      const bytes = await this.#fetch(chunk.url, end - wanted.start, heard, signal);
      if ((await sha256Hex(bytes)) === chunk.sha256)
        return replyOf(plan, { start: wanted.start, end }, bytes);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof P2PError)) throw error;
      // What takes long to fail for one chunk does so for all.
      if (error.code === 'UPSTREAM_TIMEOUT') this.#known.set(name, { known: undefined });
    }
    failed.add(index);
    if (failed.size >= MAX_FAILED) this.#known.set(name, { known: undefined });
    return undefined;
  }

  /** What one asker may read says nothing of another. A plan covers a part of a blob, the same for all in it. */
  #nameOf({ address, headers }: UpstreamQuery, { start }: Span): string {
    const credential = headerValue(headers, 'authorization') ?? '';
    const who = createHmac('sha256', this.#salt).update(credential).digest('base64');
    return `${address.url}\n${this.#windowOf(start)} ${who}`;
  }

  #windowOf(start: number): number {
    return Math.floor(start / (ASKED_CHUNKS * this.#parts.chunkBytes));
  }

  async #fetch(
    url: string,
    length: number,
    heard: UpstreamQuery['heard'],
    signal: AbortSignal,
  ): Promise<Buffer> {
    const { status, headers, body } = await this.#parts.http.request(
      { url, method: 'GET', headers: {} },
      signal,
    );
    if (status !== 200 || Number(headerValue(headers, 'content-length')) !== length) {
      body.discard();
      throw new P2PError('UPSTREAM_MISMATCHED', `the store answered ${status} for a chunk`);
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    await body.read((piece) => {
      bytes.set(piece, filled);
      filled += piece.length;
      heard?.();
    });
    return bytes;
  }
}

/** The one range that is asked for, of what may come out of a cache. */
function chunkWanted({ method, headers }: UpstreamQuery): Span | undefined {
  const isPlain = !(
    'if-none-match' in headers ||
    'if-modified-since' in headers ||
    'cache-control' in headers
  );
  const specs = method === 'GET' && isPlain ? parseRange(headerValue(headers, 'range')) : undefined;
  const [spec] = specs ?? [];
  if (specs?.length !== 1 || spec === undefined || !('first' in spec) || spec.last === undefined)
    return undefined;
  return { start: spec.first, end: spec.last + 1 };
}

const isPlan = ({ status, headers }: Reply): boolean =>
  status === 200 && headerValue(headers, 'content-type') === PLAN_TYPE;

/**
 * The work's outcome, `undefined` when it is late: then it goes on, and what comes of it is disposed of.
 *
 * @throws P2PError CLIENT_GONE on abort; what the work throws in time.
 */
function soon<T>(
  work: Promise<T>,
  signal: AbortSignal,
  dispose: (outcome: T) => void,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', gone);
    };
    const leave = () => {
      end();
      work.then(dispose, () => {});
    };
    const gone = () => {
      leave();
      reject(new P2PError('CLIENT_GONE', 'a root is not waited for any more'));
    };
    const timer = setTimeout(() => {
      leave();
      resolve(undefined);
    }, LATE_MS);
    signal.addEventListener('abort', gone, { once: true });
    if (signal.aborted) gone();
    work.then(resolve, reject).finally(end);
  });
}

const nothing = (): undefined => undefined;

function replyOf({ size, headers }: Plan, span: Span, bytes: Buffer): Reply {
  const said: HeaderLines = {
    ...headers,
    'content-range': formatContentRange(span, size),
    'content-length': String(bytes.length),
  };
  return {
    status: 206,
    headers: said,
    body: { read: async (sink) => sink(bytes), discard() {} },
  };
}
