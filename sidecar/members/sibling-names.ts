import type { Member } from './member.ts';

/** One entry of `Siblings`, taken apart. */
export type SiblingName =
  | { readonly kind: 'directory' }
  | { readonly kind: 'listed'; readonly url: string }
  | { readonly kind: 'addresses'; readonly host: string; readonly port: number }
  | { readonly kind: 'services'; readonly name: string };

/** What an entry of `Siblings` means, which the settings have checked; one without a scheme is reached by `scheme`. */
export function parseSiblingName(entry: string, scheme: 'http:' | 'https:'): SiblingName {
  if (entry === 'directory') return { kind: 'directory' };
  const [, prefix, rest = ''] = /^(dns|dnssrv)\+(.+)$/.exec(entry) ?? [];
  if (prefix === 'dnssrv') return { kind: 'services', name: rest };
  if (prefix === undefined) {
    const url = entry.includes('://') ? entry : `${scheme}//${entry}`;
    return { kind: 'listed', url: new URL(url).origin };
  }
  const at = rest.lastIndexOf(':');
  return { kind: 'addresses', host: rest.slice(0, at), port: Number(rest.slice(at + 1)) };
}

/** A name that is looked up again and again. */
export type DnsName = Extract<SiblingName, { kind: 'addresses' | 'services' }>;

export const isDnsName = (name: SiblingName): name is DnsName =>
  name.kind === 'addresses' || name.kind === 'services';

/** A sibling of which no more is known than where it is: that is then what it is called by, on every node alike. */
export const memberAt = (url: string, zone: string): Member => ({ id: url, url, zone, weight: 1 });
