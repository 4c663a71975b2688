import type { IncomingMessage } from 'node:http';
import type { ReverseRoute } from '../../functions/service/config/settings.ts';
import type { HeaderPairs } from './header-lines.ts';
import type { Front } from './pass.ts';

/** A request as the origin behind a route knows it. */
export interface Reversed {
  readonly url: string;
  readonly front: Front;
}

/** The origins that this agent stands in for, by the name or the path that clients know them by. */
export class Reverse {
  readonly #byHost: ReadonlyMap<string, ReverseRoute>;
  readonly #byPath: readonly ReverseRoute[];

  constructor(routes: readonly ReverseRoute[]) {
    this.#byHost = new Map(
      routes.flatMap((route) => (route.Host ? [[route.Host.toLowerCase(), route]] : [])),
    );
    this.#byPath = routes
      .filter(({ Path }) => Path !== undefined)
      .sort((a, b) => (b.Path?.length ?? 0) - (a.Path?.length ?? 0));
  }

  /** Where a request leads by its Host. */
  byHost(request: IncomingMessage): Reversed | undefined {
    const host = (request.headers.host ?? '').replace(/:\d*$/, '').toLowerCase();
    const route = this.#byHost.get(host);
    return route && reversed(request, route);
  }

  /** Where a request leads by its path. */
  byPath(request: IncomingMessage): Reversed | undefined {
    const route = this.#byPath.find(({ Path = '' }) => request.url?.startsWith(Path));
    return route && reversed(request, route);
  }
}

function reversed(request: IncomingMessage, { Path, Origin, StripPath }: ReverseRoute): Reversed {
  const target = request.url ?? '/';
  const prefix = Path === undefined || !StripPath ? '' : Path.slice(0, -1);
  const url = `${Origin.replace(/\/$/, '')}${target.slice(prefix.length)}`;
  return { url, front: new RouteFront(request, new URL(Origin), prefix) };
}

const INTRODUCED = /^x-forwarded-(?:for|host|proto|prefix)$/i;

/** An origin under the name of this agent: what is said of places is put into the other's terms. */
class RouteFront implements Front {
  readonly #request: IncomingMessage;
  readonly #origin: URL;
  /** Of the path that clients know, what the origin does not; without a slash at the end. */
  readonly #prefix: string;

  constructor(request: IncomingMessage, origin: URL, prefix: string) {
    this.#request = request;
    this.#origin = origin;
    this.#prefix = prefix;
  }

  introduce(pairs: HeaderPairs): HeaderPairs {
    const { headers, socket } = this.#request;
    const before = pairs.filter(([name]) => /^x-forwarded-for$/i.test(name)).map(([, value]) => value);
    return [
      ...pairs.filter(([name]) => !INTRODUCED.test(name)),
      ['X-Forwarded-For', [...before, socket.remoteAddress ?? 'unknown'].join(', ')],
      ['X-Forwarded-Host', headers.host ?? ''],
      ['X-Forwarded-Proto', this.#scheme],
      ...(this.#prefix === '' ? [] : [['X-Forwarded-Prefix', this.#prefix] as [string, string]]),
    ];
  }

  translate([name, value]: [string, string]): [string, string] {
    switch (name.toLowerCase()) {
      case 'location':
      case 'content-location':
        return [name, this.#place(value)];
      case 'set-cookie':
        return [name, this.#cookie(value)];
      default:
        return [name, value];
    }
  }

  get #scheme(): string {
    return 'encrypted' in this.#request.socket ? 'https' : 'http';
  }

  /** A place on this origin by the name that clients know; any other as it is. */
  #place(text: string): string {
    // What is relative to the page means the same on both sides.
    if (!/^(?:https?:)?\//i.test(text) || !URL.canParse(text, this.#origin.href)) return text;
    const place = new URL(text, this.#origin);
    const path = this.#path(place.pathname);
    if (place.origin !== this.#origin.origin || path === undefined) return text;
    const rest = `${path}${place.search}${place.hash}`;
    return /^\/(?!\/)/.test(text) ? rest : `${this.#scheme}://${this.#request.headers.host}${rest}`;
  }

  #cookie(text: string): string {
    const [pair, ...attributes] = text.split(';');
    const kept = attributes.flatMap((attribute) => {
      const [name = '', value = ''] = attribute.split('=', 2);
      const key = name.trim().toLowerCase();
      if (key === 'domain') return this.#isOwnDomain(value.trim()) ? [] : [attribute];
      const path = key === 'path' ? this.#path(value.trim()) : undefined;
      return [path === undefined ? attribute : ` Path=${path}`];
    });
    return [pair, ...kept].join(';');
  }

  /** Clients would refuse it: the cookie is then for the host that they asked. */
  #isOwnDomain(domain: string): boolean {
    const host = domain.replace(/^\./, '').toLowerCase();
    return this.#origin.hostname === host || this.#origin.hostname.endsWith(`.${host}`);
  }

  #path(path: string): string | undefined {
    const base = this.#origin.pathname.replace(/\/$/, '');
    const isBelow = path === base || path.startsWith(`${base}/`);
    return isBelow ? `${this.#prefix}${path.slice(base.length)}` || '/' : undefined;
  }
}
