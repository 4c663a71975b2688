import { isIP } from 'node:net';
import type { Settings } from '../../functions/service/config/settings.ts';
import { bareHost, type HostPattern, matchesHost } from '../../functions/service/host-pattern.ts';
import { OriginAccess } from '../../functions/service/origin-access.ts';
import { Rules } from '../../functions/service/rules.ts';

/** The hosts that a node with these settings intercepts, once it has an authority. */
export const hostsOf = ({ Origins, ProxyConfig }: Settings): InterceptedHosts =>
  new InterceptedHosts({
    origins: new OriginAccess(Origins).patterns,
    accelerated: new Rules(ProxyConfig.Rules).accelerated,
  });

/** What decides which hosts are intercepted. */
export interface HostLists {
  /** The entries of `Origins`, presets expanded. */
  readonly origins: readonly HostPattern[];
  /** Of each rule that accelerates the hosts it is for; `undefined` stands for any. */
  readonly accelerated: readonly (readonly HostPattern[] | undefined)[];
}

// What a certificate can be made out for; a URL's host may also be written with other characters.
const HOST = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/**
 * The hosts whose HTTPS is intercepted: those of `Origins` for which a rule that accelerates may apply. The bare `*`
 * stands for none, for no authority could be constrained to it: with it, the hosts that rules name are.
 */
export class InterceptedHosts {
  readonly #lists: HostLists;

  constructor(lists: HostLists) {
    this.#lists = lists;
  }

  /** Whether TLS to this origin is to be ended here. */
  has(url: URL): boolean {
    const host = bareHost(url.hostname);
    if (isIP(host) === 0 && !HOST.test(host)) return false;
    const { origins, accelerated } = this.#lists;
    const isListed = origins.some((pattern) => pattern.host !== '*' && matchesHost(pattern, url));
    if (!isListed && !this.isOpenToAll) return false;
    return accelerated.some((hosts) =>
      hosts === undefined
        ? isListed
        : hosts.some((pattern) => (isListed || pattern.host !== '*') && matchesHost(pattern, url)),
    );
  }

  /** True when `Origins` has the bare `*`, which leaves HTTPS to hosts that no rule names tunnelled. */
  get isOpenToAll(): boolean {
    return this.#lists.origins.some(({ host }) => host === '*');
  }

  /** What an authority has to be constrained to: addresses, hosts, and of `*.suffix` the suffix. */
  get names(): string[] {
    const origins = this.#lists.origins.filter(isTls).map(({ host }) => host);
    const names = this.#lists.accelerated.flatMap((hosts) => {
      const ruled = hosts?.filter(isTls).map(({ host }) => host) ?? ['*'];
      return origins.flatMap((origin) => ruled.flatMap((rule) => narrower(origin, rule) ?? []));
    });
    return [...new Set(names.filter((host) => host !== '*').map((host) => host.replace(/^\./, '')))];
  }
}

const isTls = ({ origin }: HostPattern): boolean => origin === undefined || origin.startsWith('https:');

/** The one of two hosts, suffixes or `*` that is within the other. */
function narrower(one: string, other: string): string | undefined {
  if (isWithin(one, other)) return one;
  return isWithin(other, one) ? other : undefined;
}

const isWithin = (host: string, pattern: string): boolean =>
  pattern === '*' || host === pattern || (pattern.startsWith('.') && host.endsWith(pattern));
