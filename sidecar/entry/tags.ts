import { createHash } from 'node:crypto';
import { firstSuccess } from '../../functions/blob/attempt.ts';
import type { Catalog } from '../../functions/blob/catalog.ts';
import type { BlobFacts } from '../../functions/blob/facts.ts';
import type { Upstream } from '../../functions/blob/upstream.ts';
import { hasCode, P2PError } from '../../functions/protocol/errors.ts';
import { headerValue } from '../../functions/protocol/headers.ts';
import {
  type AskTagParts,
  askTag,
  MAX_MANIFEST_BYTES,
  type NamedManifest,
  type TagQuestion,
} from '../../functions/service/ask-tag.ts';
import type { Logger } from '../../functions/service/log.ts';
import type { Outages } from './outages.ts';
import { eachOnce } from './sources.ts';

/** What resolving tags takes. */
export interface TagParts extends AskTagParts {
  readonly upstream: Upstream;
  /** Where answers are kept, to be given while the origin is away. */
  readonly catalog: Pick<Catalog, 'find' | 'remember' | 'forget'>;
  readonly outages: Outages;
  /** How old an answer may be that is given while the origin is away, milliseconds. */
  readonly maxStaleMs: number;
  /** How long who has such an answer at hand is kept waiting for a new one, milliseconds. */
  readonly patienceMs: number;
  readonly log: Logger;
}

/** What a tag names, and how old that news is. */
export interface TagAnswer extends NamedManifest {
  /** Seconds since the origin said so; `undefined` when it just did. */
  readonly staleSeconds?: number;
}

/**
 * Resolves tags to digests. A tag may move at any time, so the origin is asked for each pull, once for all who ask
 * the same at the same time. Only when it cannot be reached does its last answer stand in, for a while. What that
 * answer names is to be served to those alone who may read it: it may have been given to somebody else.
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
  resolve(question: TagQuestion): Promise<TagAnswer | undefined> {
    const key = tagKey(question);
    const name = `${key}\n${question.authorization ?? ''}`;
    const running = this.#asking.get(name);
    if (running !== undefined) return running;
    const asking = this.#answer(key, question).finally(() => this.#asking.delete(name));
    this.#asking.set(name, asking);
    return asking;
  }

  async #answer(key: string, question: TagQuestion): Promise<TagAnswer | undefined> {
    const { catalog, outages } = this.#parts;
    const { origin } = question.address;
    const stale = await this.#staleAnswer(key);
    const isAway = outages.has(origin);
    if (stale !== undefined && isAway) return this.#standIn(question, stale);
    try {
      // Neither who has something at hand nor who has another mirror to go to is kept waiting for another try.
      const answer = await this.#ask(question, stale !== undefined || isAway);
      outages.ended(origin);
      if (answer !== undefined) void catalog.remember(key, this.#recordOf(key, answer));
      return answer;
    } catch (error) {
      if (hasCode(error, 'UPSTREAM_REFUSED')) {
        outages.ended(origin);
        // What the origin has removed is gone for good.
        if (error.status === 404) await catalog.forget([key], key);
      }
      if (!isUnreachable(error)) throw error;
      outages.began(origin);
      if (stale === undefined) throw error;
      return this.#standIn(question, stale, error);
    }
  }

  #standIn({ address }: TagQuestion, stale: TagAnswer, cause?: unknown): TagAnswer {
    const { digest, staleSeconds } = stale;
    this.#parts.log.warn({ url: address.identity, digest, staleSeconds, cause }, 'tag_served_stale');
    return stale;
  }

  #ask(question: TagQuestion, once: boolean): Promise<NamedManifest | undefined> {
    const { upstream, patienceMs } = this.#parts;
    const sources = upstream.sources(question.address);
    return firstSuccess(
      once ? eachOnce(sources, patienceMs) : sources,
      (source) => askTag(source, question, this.#parts),
      () => {},
    );
  }

  async #staleAnswer(key: string): Promise<TagAnswer | undefined> {
    const { catalog, now, maxStaleMs } = this.#parts;
    const kept = await catalog.find(key);
    if (kept?.digest === undefined || now() - kept.confirmedAtMs >= maxStaleMs) return undefined;
    return {
      digest: kept.digest,
      mediaType: headerValue(kept.headers, 'content-type'),
      size: kept.size,
      staleSeconds: Math.max(0, Math.floor((now() - kept.confirmedAtMs) / 1000)),
    };
  }

  /** An answer in the form in which facts are kept: those of the manifest, under the tag's own name. */
  #recordOf(key: string, { digest, mediaType, size = 0 }: NamedManifest): BlobFacts {
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
function tagKey({ address, accept = '' }: TagQuestion): string {
  const accepted = accept.toLowerCase().split(',');
  const types = [...new Set(accepted.map((type) => type.replace(/\s/g, '')))].sort();
  return createHash('sha256')
    .update(`tag\n${address.identity}\n${types.join(',')}`)
    .digest('hex');
}

/** True for a failure that says nothing about the tag: nobody could be asked, or all failed on their own account. */
const isUnreachable = (error: unknown): boolean =>
  error instanceof P2PError && (error.retry === 'elsewhere' || error.code === 'UPSTREAMS_EXHAUSTED');
