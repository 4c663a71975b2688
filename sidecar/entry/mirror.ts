import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Upstream } from '../../functions/blob/upstream.ts';
import { type Address, parseAddress } from '../../functions/protocol/address.ts';
import type { Digest } from '../../functions/protocol/digest.ts';
import { type HeaderLines, hasCode, P2PError } from '../../functions/protocol/errors.ts';
import { AGENT_HEADER, forwardedHeaders } from '../../functions/protocol/headers.ts';
import { Outlet } from '../../functions/service/outlet.ts';
import type { Registries } from '../../functions/service/registries.ts';
import { relay } from '../../functions/service/relay.ts';
import type { Rules } from '../../functions/service/rules.ts';
import type { BlobServer } from '../../functions/service/serve-blob.ts';
import { describeManifest, letThrough, staleMarks } from './mirror-replies.ts';
import type { Outages } from './outages.ts';
import { parseRegistryPath } from './registry-path.ts';
import { eachWorking } from './sources.ts';
import type { Tags } from './tags.ts';

/** What a mirror is made of. */
export interface MirrorParts {
  readonly registries: Registries;
  readonly blobs: BlobServer;
  readonly tags: Tags;
  readonly outages: Outages;
  /** How long a ping waits for the registry, milliseconds; dockerd gives it up after 15 s. */
  readonly patienceMs: number;
  /** Asked for what is neither blob nor manifest. */
  readonly upstream: Upstream;
  readonly rules: Rules;
  /** This agent's address in X-P2P-Agent chains. */
  readonly self: string;
}

/** One request, with where it leads. */
interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly address: Address;
}

/**
 * The registry mirror: `/v2/…` as container runtimes ask it (OCI distribution-spec, "Pull"; dockerd's
 * `registry-mirrors`, containerd's hosts.toml). What a digest names comes through the chunk engine; which digest a
 * tag names is the origin's to say; everything else is the origin's own answer. It only reads.
 */
export class Mirror {
  readonly #parts: MirrorParts;

  constructor(parts: MirrorParts) {
    this.#parts = parts;
  }

  /**
   * Answers one request to its end.
   *
   * @throws P2PError METHOD_NOT_ALLOWED, ADDRESS_INVALID, ORIGIN_NOT_ALLOWED, RULE_DENIED; what serving a blob or
   * asking the registry throws.
   */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new P2PError('METHOD_NOT_ALLOWED', 'this mirror only reads; write to the registry itself', {
        headers: { Allow: 'GET, HEAD' },
      });
    }
    const [, path = '', query = ''] = /^([^?]*)\??(.*)$/s.exec(request.url ?? '/') ?? [];
    const asked = parseRegistryPath(path);
    const registry = this.#parts.registries.find(new URLSearchParams(query));
    if (registry.namespace !== undefined) response.setHeader('oci-namespace', registry.namespace);
    const at = (target: string) => this.#judge({ request, response }, registry.origin + target);
    switch (asked.kind) {
      case 'ping':
        return this.#ping(at('/v2/'));
      case 'blob':
      case 'manifest':
        return this.#serve(at(path), asked.digest);
      case 'tag':
        return this.#resolve(at(path), (digest) => at(`/v2/${asked.name}/manifests/${digest}`));
      case 'other':
        return this.#relay(at(path + withoutNamespace(query)), this.#parts.upstream);
    }
  }

  /** @throws P2PError RULE_DENIED. */
  #judge(client: Pick<Asked, 'request' | 'response'>, url: string): Asked {
    const address = parseAddress(url);
    this.#parts.rules.judge(address, client.request.method ?? 'GET');
    return { ...client, address };
  }

  /**
   * A client sends its credentials where the ping is challenged, so the challenge is the registry's own. When that
   * cannot be asked, the client is let through: what is kept of a public image can still be pulled.
   */
  async #ping(asked: Asked): Promise<void> {
    const { upstream, outages, patienceMs } = this.#parts;
    const { origin } = asked.address;
    try {
      if (outages.has(origin)) return letThrough(asked);
      await this.#relay(asked, {
        sources: (address) => eachWorking(upstream.sources(address), patienceMs),
      });
      outages.ended(origin);
    } catch (error) {
      const isAway = error instanceof P2PError && error.status >= 500 && !asked.response.headersSent;
      if (!isAway) throw error;
      outages.began(origin);
      letThrough(asked);
    }
  }

  #serve({ request, response, address }: Asked, digest: Digest, headers: HeaderLines = {}): Promise<void> {
    const { blobs, self } = this.#parts;
    const all = { ...headers, 'docker-content-digest': digest };
    return blobs.serve({ request, response, address, chain: self, headers: all });
  }

  async #resolve(asked: Asked, manifest: (digest: Digest) => Asked): Promise<void> {
    const { tags, upstream } = this.#parts;
    const { request, address } = asked;
    const { accept, authorization } = request.headers;
    const answer = await tags.resolve({ address, accept, authorization }).catch((error: unknown) => {
      // The refusal of a HEAD has no body, which the client may want to show.
      if (hasCode(error, 'UPSTREAM_REFUSED') && request.method === 'GET') return undefined;
      throw error;
    });
    if (answer === undefined) return this.#relay(asked, upstream);
    const { digest, staleSeconds } = answer;
    if (staleSeconds !== undefined) {
      return this.#serve(manifest(digest), digest, staleMarks(staleSeconds));
    }
    if (request.method === 'HEAD' && describeManifest(asked, answer)) return;
    return this.#serve(manifest(digest), digest).catch((error: unknown) => {
      // A manifest that a registry makes for those who accept no other, it has under the tag alone.
      const isUnknown = hasCode(error, 'UPSTREAM_REFUSED') && error.status === 404;
      if (!isUnknown || asked.response.headersSent) throw error;
      return this.#relay(asked, upstream);
    });
  }

  async #relay({ request, response, address }: Asked, upstream: Upstream): Promise<void> {
    const headers = {
      ...forwardedHeaders(request.headers),
      // It is the registry that is asked, not the cache of a root.
      'cache-control': 'no-cache',
      [AGENT_HEADER]: this.#parts.self,
    };
    const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
    await relay(upstream, { address, method, headers }, response, new Outlet(response));
  }
}

/** The query as it came, its `?` included, without what is between the client and us. */
function withoutNamespace(query: string): string {
  const kept = query.split('&').filter((pair) => pair !== '' && !new URLSearchParams(pair).has('ns'));
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}
