import { randomInt } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { formatRange, type Span } from '../../protocol/range.ts';
import { type Answer, readAnswer } from '../answer.ts';
import type { Ask } from '../ask.ts';
import { firstSuccess } from '../attempt.ts';
import { KiB, planRead } from '../chunk.ts';
import { type BlobFacts, learnFacts } from '../facts.ts';
import { claimKey } from '../identity.ts';
import { type StoredChunks, wantedOf } from '../stored-chunks.ts';
import type { Source } from '../upstream.ts';
import type { CheckParts } from './check.ts';
import { NO_CREDENTIAL } from './credential.ts';

// Nobody guesses as much of what is compressed or a secret, and no origin minds sending it.
const SAMPLE_BYTES = 4 * KiB;
// An origin that did not have the bytes a moment ago need not be asked for them at everyone's every word.
const STRANGER_MS = 60_000;

/** What it takes to find out. */
export interface MembershipParts extends CheckParts {
  readonly stored: Pick<StoredChunks, 'read'>;
}

/**
 * Finds out whether a scope really has what is cached of a digest from elsewhere. That its origin says so, size and
 * all, proves nothing: anyone who knows the digest of somebody's private blob could put something of the same size
 * under that name where they may write, and would be served the other's bytes for it.
 */
export class Membership {
  readonly #parts: MembershipParts;
  readonly #signal: AbortSignal;
  readonly #proving = new Map<string, Promise<BlobFacts | undefined>>();
  readonly #strangers = new LRUCache<string, true>({ max: 10_000, ttl: STRANGER_MS });

  constructor(parts: MembershipParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** True where the scope behind a claim was found to have something else. */
  isStranger(claim: string): boolean {
    return this.#strangers.has(claim);
  }

  disown(claim: string): void {
    this.#strangers.set(claim, true);
  }

  /**
   * The facts of a proven blob as the asker's own origin tells them, once it has sent a part of it that was chosen at
   * random; `undefined` where it has other bytes, or none of ours are at hand to compare.
   *
   * @throws P2PError what the origin refused, or the upstreams failed with.
   */
  prove(ask: Ask, facts: BlobFacts): Promise<BlobFacts | undefined> {
    const name = `${claimKey(ask.address)}\n${ask.credential}`;
    const running = this.#proving.get(name);
    if (running !== undefined) return running;
    const proving = this.#prove(ask, facts).finally(() => this.#proving.delete(name));
    this.#proving.set(name, proving);
    return proving;
  }

  async #prove(ask: Ask, facts: BlobFacts): Promise<BlobFacts | undefined> {
    const { upstream, events } = this.#parts;
    const sample = await this.#sample(facts);
    if (sample === undefined) return undefined;
    return firstSuccess(
      upstream.sources(ask.address),
      (source) => this.#compare(ask, facts, sample, source),
      ({ name }, error) =>
        events.failed('upstream_failed', { source: name, code: error.code, error: error.message }),
    );
  }

  async #sample(facts: BlobFacts): Promise<Sample | undefined> {
    const length = Math.min(SAMPLE_BYTES, facts.size);
    const start = randomInt(facts.size - length + 1);
    const span = { start, end: start + length };
    const pieces: Buffer[] = [];
    for (const { index, from, to } of planRead(span, facts.chunkBytes)) {
      const chunk = await this.#parts.stored.read(wantedOf(facts, index));
      if (chunk === undefined) return undefined;
      pieces.push(Buffer.from(chunk.bytes.subarray(from, to)));
    }
    return length > 0 ? { bytes: Buffer.concat(pieces), span } : undefined;
  }

  async #compare(
    { address, headers, credential }: Ask,
    facts: BlobFacts,
    { span, bytes }: Sample,
    source: Source,
  ): Promise<BlobFacts | undefined> {
    // No node between has to fetch a whole chunk for it.
    const sent = {
      ...headers,
      range: formatRange(span),
      'accept-encoding': 'identity',
      'cache-control': 'no-store',
    };
    const reply = await source.open({ address, method: 'GET', headers: sent }, this.#signal);
    const answer = await readAnswer(reply, source);
    if (!covers(answer, span, facts.size)) {
      if ('size' in answer) reply.body.discard();
      return undefined;
    }
    const pieces: Buffer[] = [];
    await reply.body.read((piece) => void pieces.push(Buffer.from(piece)));
    if (!Buffer.concat(pieces).equals(bytes)) return undefined;
    const seen = {
      size: facts.size,
      headers: reply.headers,
      rangeless: false,
      isPrivate: credential !== NO_CREDENTIAL,
    };
    const told = learnFacts(address, seen, facts.chunkBytes, this.#parts.now());
    if (told === undefined) return undefined;
    const { freshUntilMs: _, ...own } = told;
    return { ...own, key: facts.key, ...(facts.sealed && { sealed: facts.sealed }) };
  }
}

/** Some bytes of a blob. */
interface Sample {
  readonly span: Span;
  readonly bytes: Buffer;
}

/** Whether an answer brings this span of a blob of this size, and nothing else. */
function covers(answer: Answer, { start, end }: Span, size: number): boolean {
  if (answer.kind === 'whole') return answer.size === size && start === 0 && end === size;
  return (
    answer.kind === 'part' && answer.size === size && answer.span.start === start && answer.span.end === end
  );
}
