import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Settings } from '../../functions/service/config/settings.ts';
import { type HostPattern, isWildcard } from '../../functions/service/host-pattern.ts';
import { OriginAccess } from '../../functions/service/origin-access.ts';
import { loadAuthority } from '../tls/authority-files.ts';
import { hostsOf, type InterceptedHosts } from '../tls/intercepted-hosts.ts';

/** What makes HTTPS through the proxy acceptable to a runtime. */
export interface Interception {
  /** The authority's certificate, PEM. */
  readonly authority: string;
  /** The registries that it vouches for, `host` or `host:port` as images name them. */
  readonly hosts: readonly string[];
  /** True when it vouches for more than can be listed: whole domains. */
  readonly isWide: boolean;
}

/** The interception that an agent with these settings does, or why it does none. */
export type InterceptionState =
  | { readonly isOn: true; readonly interception: Interception }
  | { readonly isOn: false; readonly why: string };

/**
 * Whether the agent intercepts HTTPS, and with which authority.
 *
 * @throws P2PError CONFIG_INVALID when the authority's files are not what they should be.
 */
export async function interceptionOf(settings: Settings): Promise<InterceptionState> {
  const { ProxyHTTPS, CertConfig } = settings.ProxyConfig;
  if (!ProxyHTTPS) return off('ProxyHTTPS is false');
  const intercepted = hostsOf(settings);
  if (intercepted.names.length === 0) return off('no rule accelerates a host of Origins');
  if ((await loadAuthority(CertConfig)) === undefined) {
    const path = resolve(CertConfig.CertPath);
    const remedy = CertConfig.GenerateCert
      ? 'start the agent, which makes it'
      : 'start the agent with --generate-cert';
    return off(`there is no authority at ${path}: ${remedy}, then run this again`);
  }
  const patterns = new OriginAccess(settings.Origins).patterns;
  return {
    isOn: true,
    interception: {
      authority: readFileSync(CertConfig.CertPath, 'utf8'),
      hosts: listable(patterns, intercepted),
      isWide: patterns.some(isWildcard),
    },
  };
}

const off = (why: string): InterceptionState => ({ isOn: false, why });

function listable(patterns: readonly HostPattern[], intercepted: InterceptedHosts): string[] {
  const urls = patterns
    .filter((pattern) => !isWildcard(pattern))
    .map(
      ({ origin, host, port }) =>
        origin ?? `https://${host.includes(':') ? `[${host}]` : host}:${port ?? 443}`,
    )
    .filter((url) => url.startsWith('https:'))
    .map((url) => new URL(url));
  return [...new Set(urls.filter((url) => intercepted.has(url)).map(({ host }) => host))];
}
