import type { Address } from '../protocol/address.ts';
import { type HeaderLines, hasCode, P2PError } from '../protocol/errors.ts';
import { type Grant, parseGrant } from '../protocol/grant.ts';
import { ACCESS_HEADER, AGENT_HEADER, headerValue } from '../protocol/headers.ts';
import { formatRange, parseRange } from '../protocol/range.ts';
import { NO_CREDENTIAL } from './access/credential.ts';
import { type Answer, readAnswer } from './answer.ts';
import type { Ask } from './ask.ts';
import { firstSuccess } from './attempt.ts';
import type { ReaderEvents } from './events.ts';
import { type BlobFacts, confirmFacts, learnFacts } from './facts.ts';
import type { OpenReply } from './fill.ts';
import type { Reply, Source, Upstream } from './upstream.ts';

// An empty blob has no chunk that could fail its check, so its digest is checked here.
const EMPTY_DIGEST = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Facts, and the reply that told them when it goes on with the chunk that was needed first. */
export interface Found {
  readonly facts: BlobFacts;
  readonly opened: OpenReply | undefined;
  /** What another node of ours says of the asker's right. */
  readonly said: Grant | undefined;
}

interface ProbeParts {
  readonly upstream: Upstream;
  readonly chunkBytes: number;
  readonly events: ReaderEvents;
  readonly now: () => number;
}

/** Asks an upstream what a blob is, in one request wherever one can tell. */
export class Probe {
  readonly #parts: ProbeParts;
  readonly #signal: AbortSignal;

  constructor(parts: ProbeParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /**
   * The facts behind an address: with the first chunk needed when nothing is known, by a conditional request
   * for next to nothing when `stale` facts have to be confirmed. `undefined` when it may not be cached.
   *
   * @throws P2PError what the upstream refused or failed with.
   */
  ask(ask: Ask, stale: BlobFacts | undefined): Promise<Found | undefined> {
    const { chunkBytes } = this.#parts;
    const chain = headerValue(ask.headers, AGENT_HEADER);
    // With what a chunk's owner tells along with its bytes a sibling is believed, for both are proven at once.
    const wanted =
      stale === undefined && ask.first !== undefined && !ask.doubtful
        ? { index: Math.floor(ask.first / chunkBytes), chain }
        : undefined;
    return firstSuccess(
      this.#parts.upstream.sources(ask.address, wanted),
      (source) => this.#askOne(ask, stale, source),
      (source, error) => {
        this.#parts.events.failed('upstream_failed', {
          source: source.name,
          code: error.code,
          error: error.message,
        });
      },
    );
  }

  async #askOne(ask: Ask, stale: BlobFacts | undefined, source: Source): Promise<Found | undefined> {
    const needed = stale === undefined && ask.first !== undefined ? ask.first : undefined;
    const question = this.#question(source, needed, stale);
    const { reply, answer } = await this.#open(ask, source, question).catch((error: unknown) => {
      const isWhole = question.method === 'GET' || !ask.wantsBody;
      if (isWhole || !hasCode(error, 'UPSTREAM_REFUSED')) throw error;
      // A refusal of HEAD has no body, and what the client gets is all of the origin's answer.
      return this.#open(ask, source, {
        method: 'GET',
        headers: { range: formatRange({ start: 0, end: 1 }) },
      });
    });
    if (answer.kind === 'unchanged' && stale !== undefined) {
      const facts = confirmFacts(stale, ask.address, reply.headers, this.#parts.now());
      return { facts, opened: undefined, said: this.#said(reply) };
    }
    if (answer.kind === 'beyond') return this.#askWhole(ask, source);
    return this.#learn(ask, { source, reply, answer }, needed !== undefined, question.method === 'GET');
  }

  /** For a blob that has nothing of the range: empty, or shorter than the client believes. */
  async #askWhole(ask: Ask, source: Source): Promise<Found | undefined> {
    const { reply, answer } = await this.#open(ask, source, { method: 'GET', headers: {} });
    return this.#learn(ask, { source, reply, answer }, false, false);
  }

  #question(source: Source, needed: number | undefined, stale: BlobFacts | undefined): Question {
    const headers: HeaderLines = {};
    if (stale?.etag !== undefined) headers['if-none-match'] = stale.etag;
    else if (stale?.lastModified !== undefined) headers['if-modified-since'] = stale.lastModified;
    // A node of ours answers HEAD from its facts. An origin may refuse HEAD (a URL signed for GET does), so it
    // is asked for one byte, as DadiP2P asks.
    if (needed === undefined && source.kind !== 'origin') return { method: 'HEAD', headers };
    const { chunkBytes } = this.#parts;
    const start = needed === undefined ? 0 : Math.floor(needed / chunkBytes) * chunkBytes;
    headers.range = formatRange({ start, end: needed === undefined ? 1 : start + chunkBytes });
    return { method: 'GET', headers };
  }

  async #open(
    ask: Ask,
    source: Source,
    { method, headers }: Question,
  ): Promise<{ reply: Reply; answer: Answer }> {
    const all = { ...ask.headers, ...headers, 'accept-encoding': 'identity' };
    const { address, heard } = ask;
    const reply = await source.open({ address, method, headers: all, heard }, this.#signal);
    const answer = await readAnswer(reply, source);
    const fault = faultOf(ask.address, answer, headers.range);
    if (fault === undefined) return { reply, answer };
    reply.body.discard();
    throw new P2PError('UPSTREAM_MISMATCHED', `${source.name} ${fault}`);
  }

  #learn(ask: Ask, opened: OpenReply, wanted: boolean, ranged: boolean): Found | undefined {
    const { reply, answer } = opened;
    const { chunkBytes, now } = this.#parts;
    const size = answer.kind === 'part' || answer.kind === 'whole' ? answer.size : undefined;
    const isPrivate = ask.credential !== NO_CREDENTIAL;
    const rangeless = answer.kind === 'whole' && ranged && size !== undefined && size > chunkBytes;
    const facts =
      size === undefined
        ? undefined
        : learnFacts(ask.address, { size, headers: reply.headers, rangeless, isPrivate }, chunkBytes, now());
    const said = this.#said(reply);
    if (facts !== undefined && wanted && size !== 0) return { facts, opened, said };
    reply.body.discard();
    return facts === undefined ? undefined : { facts, opened: undefined, said };
  }

  #said({ headers }: Reply): Grant | undefined {
    return parseGrant(headerValue(headers, ACCESS_HEADER), this.#parts.now());
  }
}

/** What an answer says that cannot be: another range than the one asked, or nothing for a digest of something. */
function faultOf(
  { digest }: Address,
  answer: Answer,
  range: HeaderLines[string] | undefined,
): string | undefined {
  if (answer.kind === 'part' && range !== undefined) {
    const asked = parseRange(String(range))?.[0];
    const isAsked = asked !== undefined && 'first' in asked && asked.first === answer.span.start;
    if (!isAsked) return `sent ${formatRange(answer.span)} for ${range}`;
  }
  const isEmpty = answer.kind === 'whole' && answer.size === 0;
  return isEmpty && digest !== undefined && digest !== EMPTY_DIGEST ? `has nothing for ${digest}` : undefined;
}

interface Question {
  readonly method: 'GET' | 'HEAD';
  readonly headers: HeaderLines;
}
