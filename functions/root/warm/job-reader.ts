import { credentialOf } from '../../blob/access/credential.ts';
import type { Ask } from '../../blob/ask.ts';
import { firstSuccess } from '../../blob/attempt.ts';
import type { Blob } from '../../blob/blob.ts';
import type { BlobReader } from '../../blob/reader.ts';
import type { Upstream } from '../../blob/upstream.ts';
import { type Address, parseAddress, redact } from '../../protocol/address.ts';
import type { Digest } from '../../protocol/digest.ts';
import { hasCode, P2PError } from '../../protocol/errors.ts';
import { PROXY_NAME } from '../../protocol/headers.ts';
import { MANIFEST_ACCEPT } from '../../protocol/manifest.ts';
import { askTag } from '../../service/ask-tag.ts';
import type { OriginAccess } from '../../service/origin-access.ts';
import type { RegistryAuth } from '../../service/registry-auth.ts';
import type { Rules } from '../../service/rules.ts';

/** What reading for a job takes. */
export interface JobReaderParts {
  readonly reader: BlobReader;
  /** Asked directly for what a tag names. */
  readonly upstream: Upstream;
  readonly access: Pick<OriginAccess, 'checkListed'>;
  readonly rules: Pick<Rules, 'judge'>;
  readonly auth: RegistryAuth;
  /** This node's address. */
  readonly self: string;
  readonly now: () => number;
}

/** Reads what a job names as a client of this root would who has the job's logins. */
export class JobReader {
  readonly #parts: JobReaderParts;

  constructor(parts: JobReaderParts) {
    this.#parts = parts;
  }

  /**
   * A blob, `first` being the first of its bytes that will be read.
   *
   * @throws P2PError ORIGIN_NOT_ALLOWED, RULE_DENIED; UPSTREAM_MISMATCHED when it may not be cached; what the origin
   * refused or failed with.
   */
  async open(url: string, first: number | undefined, signal: AbortSignal): Promise<Blob> {
    const address = this.#addressOf(url);
    const blob = await this.#withLogin(address, signal, (authorization) => {
      const ask: Ask = {
        address,
        headers: {
          'user-agent': PROXY_NAME,
          ...(address.isManifest ? { accept: MANIFEST_ACCEPT } : {}),
          ...(authorization === undefined ? {} : { authorization }),
        },
        first,
        wantsBody: true,
        credential: credentialOf(address, authorization),
        doubtful: false,
      };
      return this.#parts.reader.open(ask);
    });
    if (blob !== undefined) return blob;
    const why = 'may not be cached: its origin forbids it, or does not say how to tell its versions apart';
    throw new P2PError('UPSTREAM_MISMATCHED', `${redact(url)} ${why}`);
  }

  /** The digest of the manifest that a tag names now. Throws as `open` does. */
  async digestOf(url: string, signal: AbortSignal): Promise<Digest> {
    const { upstream, reader, self, now } = this.#parts;
    const address = this.#addressOf(url);
    const named = await this.#withLogin(address, signal, (authorization) =>
      firstSuccess(
        upstream.sources(address),
        (source) =>
          askTag(
            source,
            { address, accept: MANIFEST_ACCEPT, authorization },
            { access: reader.access, self, now },
          ),
        () => {},
      ),
    );
    if (named !== undefined) return named.digest;
    throw new P2PError('UPSTREAM_MISMATCHED', `${url} names a digest of a kind that cannot be checked`);
  }

  #addressOf(url: string): Address {
    const { access, rules } = this.#parts;
    const address = parseAddress(url);
    access.checkListed(new URL(address.url));
    return rules.judge(address, 'GET').address;
  }

  /** Tokens end early, and with them the right that they were: once more with another. */
  async #withLogin<T>(
    address: Address,
    signal: AbortSignal,
    ask: (authorization: string | undefined) => Promise<T>,
  ): Promise<T> {
    const { auth } = this.#parts;
    const repository = repositoryOf(address);
    if (repository === undefined) return ask(auth.basic(address.origin));
    try {
      return await ask(await auth.authorization(address.origin, repository, signal));
    } catch (error) {
      if (!hasCode(error, 'UPSTREAM_REFUSED') || error.status !== 401) throw error;
      auth.forget(address.origin, repository);
      return ask(await auth.authorization(address.origin, repository, signal));
    }
  }
}

/** The repository that a registry's blob or manifest is in. */
export function repositoryOf({ origin, scope, identity }: Address): string | undefined {
  const prefix = `${origin}/v2/`;
  return scope !== identity && scope.startsWith(prefix) ? scope.slice(prefix.length) : undefined;
}
