import { bareHost } from '../../functions/service/host-pattern.ts';

/** How this host is called. */
export interface HostNames {
  readonly hostname: string;
  /** Of its network interfaces. */
  readonly addresses: readonly string[];
}

/**
 * What others call a node by: of the URLs that they all are given, the one that leads to it, else its own idea.
 */
export function selfUrl(listed: readonly string[], own: string, { hostname, addresses }: HostNames): string {
  if (listed.includes(own)) return own;
  const { port } = new URL(own);
  const here = new Set([hostname.toLowerCase(), ...addresses]);
  const mine = listed
    .map((url) => new URL(url))
    .find((url) => url.port === port && here.has(bareHost(url.hostname)));
  return mine?.origin ?? own;
}
