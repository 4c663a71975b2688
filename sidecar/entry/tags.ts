import { createHash } from 'node:crypto';
import { readAnswer } from '../../functions/blob/answer.ts';
import { firstSuccess } from '../../functions/blob/attempt.ts';
import type { Catalog } from '../../functions/blob/catalog.ts';
import { MiB } from '../../functions/blob/chunk.ts';
import type { BlobFacts } from '../../functions/blob/facts.ts';
import type { Reply, Source, Upstream } from '../../functions/blob/upstream.ts';
import type { Address } from '../../functions/protocol/address.ts';
import { type Digest, parseDigest } from '../../functions/protocol/digest.ts';
import { type HeaderLines, hasCode, P2PError } from '../../functions/protocol/errors.ts';
import { headerValue } from '../../functions/protocol/headers.ts';
import type { Logger } from '../../functions/service/log.ts';
import { eachOnce } from './each-once.ts';

/** What resolving tags takes. */
export interface TagParts {
  readonly upstream: Upstream;
  /** Where answers are kept, to be given while the origin is away. */
  readonly catalog: Pick<Catalog, 'find' | 'remember' | 'forget'>;
  /** How old an answer may be that is given while the origin is away, milliseconds. */
  readonly maxStaleMs: number;
  readonly log: Logger;
  readonly now: () => number;
}

/** One client's question which manifest a tag names. */
export interface TagQuestion {
  /** The tag's own URL at the origin. */
  readonly address: Address;
  /** Sent to the origin; lower-case. Those that choose the answer are `accept` and `authorization`. */
  readonly headers: HeaderLines;
  /** True when the asker may be told what the origin said to another. */
  readonly mayHaveStale: boolean;
}

/** The manifest that a tag names, for whoever accepts these types. */
export interface TagAnswer {
  readonly digest: Digest;
  readonly mediaType: string | undefined;
  /** Bytes; `undefined` when the origin did not say. */
  readonly size: number | undefined;
  /** Seconds since the origin said so; `undefined` when it just did. */
  readonly staleSeconds: number | undefined;
}

// OCI distribution-spec, "Pushing Manifests": registries refuse manifests beyond this.
const MAX_MANIFEST_BYTES = 4 * MiB;

/**
 * Resolves tags to digests. A tag may move at any time, so the origin is asked for each pull, once for all who ask
 * the same at the same time. Only when it cannot be reached does its last answer stand in, for a while.
 */
export class Tags {
  readonly #parts: TagParts;
  readonly #asking = new Map<string, Promise<TagAnswer | undefined>>();

  constructor(parts: TagParts) {
    this.#parts = parts;
  }

  /**
   * The manifest that a tag names; `undefined` when the origin names it by no digest that can be checked here, and so
   * has to answer for itself.
   *
   * @throws P2PError UPSTREAM_REFUSED with what the origin refused; what it failed with when nothing stands in.
   */
  async resolve(question: TagQuestion): Promise<TagAnswer | undefined> {
    const { authorization } = question.headers;
    const key = tagKey(question);
    const who = createHash('sha256').update(`${question.mayHaveStale} ${authorization}`).digest('hex');
    const flight = `${key} ${who}`;
    const asking =
      this.#asking.get(flight) ?? this.#ask(key, question).finally(() => this.#asking.delete(flight));
    this.#asking.set(flight, asking);
    return asking;
  }

  async #ask(key: string, question: TagQuestion): Promise<TagAnswer | undefined> {
    const { upstream, catalog } = this.#parts;
    const stale = question.mayHaveStale ? await this.#staleAnswer(key) : undefined;
    const sources = upstream.sources(question.address);
    try {
      const answer = await firstSuccess(
        // With an answer at hand nobody is kept waiting for another try.
        stale === undefined ? sources : eachOnce(sources),
        (source) => this.#askOne(source, question),
        () => {},
      );
      if (answer !== undefined) void catalog.remember(key, this.#recordOf(key, answer));
      return answer;
    } catch (error) {
      // What the origin has removed is gone for good.
      if (hasCode(error, 'UPSTREAM_REFUSED') && error.status === 404) await catalog.forget([key], key);
      if (stale === undefined || !isUnreachable(error)) throw error;
      this.#parts.log.warn({ url: question.address.identity, cause: error }, 'tag_served_stale');
      return stale;
    }
  }

  async #askOne(source: Source, { address, headers }: TagQuestion): Promise<TagAnswer | undefined> {
    const signal = new AbortController().signal;
    const reply = await source.open({ address, method: 'HEAD', headers }, signal);
    // A server may well not know HEAD here, and an answer without a digest is none.
    if (reply.status !== 405 && reply.status !== 501) {
      await expectWhole(reply, source);
      reply.body.discard();
      const said = headerValue(reply.headers, 'docker-content-digest');
      if (said !== undefined) return answerOf(reply, parseDigest(said), lengthOf(reply));
    } else {
      reply.body.discard();
    }
    const whole = await source.open({ address, method: 'GET', headers }, signal);
    await expectWhole(whole, source);
    const hash = createHash('sha256');
    let size = 0;
    await whole.body.read((piece) => {
      size += piece.length;
      if (size > MAX_MANIFEST_BYTES) {
        throw new P2PError('UPSTREAM_MISMATCHED', `${source.name} sends no end of a manifest`);
      }
      hash.update(piece);
    });
    return answerOf(whole, `sha256:${hash.digest('hex')}`, size);
  }

  async #staleAnswer(key: string): Promise<TagAnswer | undefined> {
    const { catalog, now, maxStaleMs } = this.#parts;
    const kept = await catalog.find(key);
    const ageMs = kept === undefined ? Number.POSITIVE_INFINITY : now() - kept.confirmedAtMs;
    if (kept?.digest === undefined || ageMs > maxStaleMs) return undefined;
    return {
      digest: kept.digest,
      mediaType: headerValue(kept.headers, 'content-type'),
      size: kept.size,
      staleSeconds: Math.max(0, Math.floor(ageMs / 1000)),
    };
  }

  /** An answer in the form in which facts are kept: those of the manifest, under the tag's own name. */
  #recordOf(key: string, { digest, mediaType, size = 0 }: TagAnswer): BlobFacts {
    return {
      key,
      size,
      chunkBytes: MAX_MANIFEST_BYTES,
      digest,
      headers: mediaType === undefined ? {} : { 'content-type': mediaType },
      confirmedAtMs: this.#parts.now(),
    };
  }
}

/** Where the answer to a question is kept: it depends on the URL, and on the types that are accepted, in any order. */
function tagKey({ address, headers }: TagQuestion): string {
  const accepted = (headerValue(headers, 'accept') ?? '').toLowerCase().split(',');
  const types = [...new Set(accepted.map((type) => type.replace(/\s/g, '')))].sort();
  return createHash('sha256')
    .update(`tag\n${address.identity}\n${types.join(',')}`)
    .digest('hex');
}

async function expectWhole(reply: Reply, source: Source): Promise<void> {
  const { kind } = await readAnswer(reply, source);
  if (kind === 'whole') return;
  reply.body.discard();
  throw new P2PError('UPSTREAM_MISMATCHED', `${source.name} answered ${reply.status} for a manifest`);
}

const answerOf = (
  { headers }: Reply,
  digest: Digest | undefined,
  size: number | undefined,
): TagAnswer | undefined =>
  digest && { digest, mediaType: headerValue(headers, 'content-type'), size, staleSeconds: undefined };

function lengthOf({ headers }: Reply): number | undefined {
  const text = headerValue(headers, 'content-length') ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** True for a failure that says nothing about the tag: nobody could be asked, or all failed on their own account. */
const isUnreachable = (error: unknown): boolean =>
  error instanceof P2PError && (error.retry === 'elsewhere' || error.code === 'UPSTREAMS_EXHAUSTED');
