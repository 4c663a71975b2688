import { isIP } from 'node:net';

/** `scheme://host:port`, `host`, `host:port`, `*.suffix` or `*`, taken apart. */
export interface HostPattern {
  /** Whole origin, `scheme://host:port`; undefined when the entry names no scheme. */
  readonly origin: string | undefined;
  /** Lower-case host, or the suffix with its dot, or `*`. */
  readonly host: string;
  /** Of `host:port`; undefined stands for any. */
  readonly port: number | undefined;
}

export function parseHostPattern(entry: string): HostPattern {
  if (entry.includes('://')) {
    const url = new URL(entry);
    return { origin: url.origin, host: bareHost(url.hostname), port: undefined };
  }
  const [, named, port] = /^(.*[^:]):(\d{1,5})$/.exec(isIP(entry) === 0 ? entry : '') ?? [];
  const host = bareHost((named ?? entry).toLowerCase());
  return {
    origin: undefined,
    host: host.startsWith('*.') ? host.slice(1) : host,
    port: port === undefined ? undefined : Number(port),
  };
}

/** True when the pattern is for the host, and as far as it names them for the port and scheme, of this URL. */
export function matchesHost({ origin, host, port }: HostPattern, url: URL): boolean {
  if (origin !== undefined) return url.origin === origin;
  if (port !== undefined && port !== portOf(url)) return false;
  const asked = bareHost(url.hostname);
  if (host === '*') return true;
  return host.startsWith('.') ? asked.endsWith(host) : asked === host;
}

export const isWildcard = ({ host }: HostPattern): boolean => host === '*' || host.startsWith('.');

/** A host as it is looked up: an IPv6 address without its brackets. */
export const bareHost = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

const portOf = ({ port, protocol }: URL): number => Number(port || (protocol === 'https:' ? 443 : 80));
