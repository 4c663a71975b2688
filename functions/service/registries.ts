import { hasCode, P2PError } from '../protocol/errors.ts';
import type { Settings } from './config/settings.ts';
import type { OriginAccess } from './origin-access.ts';

/** A registry that a request is for. */
export interface Registry {
  /** `scheme://host[:port]` */
  readonly origin: string;
  /** What the client called it by `ns`, to be repeated to it. */
  readonly namespace: string | undefined;
}

const NAMESPACE = /^(?=.{1,261}$)(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

// Docker Hub goes by a name that no registry answers under (docker, distribution/reference).
const HUB_NAMES: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io']);
const HUB = 'registry-1.docker.io';

/**
 * The registries that can be asked for: by name (`ns`, OCI distribution-spec, "Registry Proxying"), or the default. A
 * name is looked up, never dialled: what is not in `Mirror.Registries` must be on the list of origins.
 */
export class Registries {
  readonly #byName: ReadonlyMap<string, string>;
  readonly #default: string;
  readonly #access: Pick<OriginAccess, 'checkListed'>;

  constructor({ Default, Registries }: Settings['Mirror'], access: Pick<OriginAccess, 'checkListed'>) {
    this.#byName = new Map(
      Object.entries(Registries).map(([name, url]) => [name.toLowerCase(), new URL(url).origin]),
    );
    this.#default = new URL(Default).origin;
    this.#access = access;
  }

  /**
   * The registry that a query asks for.
   *
   * @throws P2PError ADDRESS_INVALID for a malformed name, or two; ORIGIN_NOT_ALLOWED for one that is not listed.
   */
  find(query: URLSearchParams): Registry {
    const names = query.getAll('ns');
    const [namespace] = names;
    if (namespace === undefined) return { origin: this.#listed(this.#default), namespace };
    if (names.length > 1) throw malformed('ns');
    return { origin: this.originOf(namespace, 'ns'), namespace };
  }

  /**
   * The origin of the registry that goes by a name; `what` is what the name was given as.
   *
   * @throws P2PError ADDRESS_INVALID for a malformed name; ORIGIN_NOT_ALLOWED for one that is not listed.
   */
  originOf(namespace: string, what: string): string {
    if (!NAMESPACE.test(namespace)) throw malformed(what);
    const name = namespace.toLowerCase();
    const known = this.#byName.get(name);
    if (known !== undefined) return this.#listed(known);
    const origin = `https://${HUB_NAMES.has(name) ? HUB : name}`;
    if (!URL.canParse(origin)) throw malformed(what);
    try {
      return this.#listed(origin);
    } catch (refusal) {
      if (!hasCode(refusal, 'ORIGIN_NOT_ALLOWED')) throw refusal;
      const remedy = `, or say in Mirror.Registries where ${namespace} is read from`;
      throw new P2PError('ORIGIN_NOT_ALLOWED', refusal.message + remedy);
    }
  }

  #listed(origin: string): string {
    const url = new URL(origin);
    this.#access.checkListed(url);
    return url.origin;
  }
}

const malformed = (what: string): P2PError =>
  new P2PError('ADDRESS_INVALID', `${what} must be one host[:port]`);
