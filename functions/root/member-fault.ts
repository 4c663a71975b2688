import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { bareHost } from '../service/host-pattern.ts';

/** Who announces an address. */
interface Announcer {
  /** The address that its token names. */
  readonly issuer: string;
  /** Where its connection comes from. */
  readonly remote: string;
}

// What no agent can be reached at by others. Link-local is where clouds hand out a machine's credentials.
const UNREACHABLE: ReadonlySet<string> = new Set(['unspecified', 'broadcast', 'multicast', 'linkLocal']);

/** What is wrong with an address that an agent announces, as the end of a sentence; `undefined` when nothing is. */
export function memberFault(url: string, { issuer, remote }: Announcer): string | undefined {
  if (url !== issuer) return `is not where its token comes from, ${issuer}`;
  const range = rangeOf(bareHost(new URL(url).hostname));
  if (range !== undefined && UNREACHABLE.has(range)) return 'is no address that others reach';
  // To anyone else it is an address of their own.
  if (range === 'loopback' && rangeOf(remote) !== 'loopback')
    return 'is of its own host alone: set P2PConfig.NodeIP';
  return undefined;
}

function rangeOf(host: string): string | undefined {
  if (host === 'localhost') return 'loopback';
  return isIP(host) === 0 ? undefined : ipaddr.process(host).range();
}
