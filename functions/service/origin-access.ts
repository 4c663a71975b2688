import { type LookupAddress, lookup as resolve } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { P2PError } from '../protocol/errors.ts';
import { bareHost, type HostPattern, isWildcard, matchesHost, parseHostPattern } from './host-pattern.ts';
import { ORIGIN_PRESETS } from './origin-presets.ts';

const COMPATIBLE = ipaddr.IPv6.parseCIDR('::/96');
// Azure's host agent, on an address that looks public, and EC2's of IPv6, among the private ones. What else answers
// for metadata and credentials is link-local.
const METADATA: ReadonlySet<string> = new Set(['168.63.129.16', 'fd00:ec2::254']);

/**
 * Which origins may be read. An origin must be on the list; whatever it is called, an address that is not
 * public (private, loopback, link-local, metadata) is refused unless an entry without a wildcard matches the
 * whole origin: what else listens on a listed host is no origin. The address is judged where it is used, at
 * connect, so a name that resolves differently the second time gains nothing.
 */
export class OriginAccess {
  readonly #patterns: readonly HostPattern[];

  constructor(origins: readonly string[]) {
    this.#patterns = origins.flatMap(expandPreset).map(parseHostPattern);
  }

  /** The entries, presets expanded. */
  get patterns(): readonly HostPattern[] {
    return this.#patterns;
  }

  /**
   * Refuses an origin that is not on the list.
   *
   * @throws P2PError ORIGIN_NOT_ALLOWED, naming the setting to change.
   */
  checkListed(url: URL): void {
    if (!this.#patterns.some((pattern) => matchesHost(pattern, url)))
      throw notAllowed(url.origin, 'is not on the list');
    this.checkAddress(url);
  }

  /**
   * Refuses a URL whose host is an address that is neither public nor opened: where a redirect may lead.
   *
   * @throws P2PError ORIGIN_NOT_ALLOWED.
   */
  checkAddress(url: URL): void {
    const host = bareHost(url.hostname);
    if (isIP(host) !== 0 && !isPublic(host) && !this.opens(url)) {
      throw notAllowed(url.origin, 'is not a public address');
    }
  }

  /** True when an entry names this very origin, whatever its address; a wildcard opens public addresses alone. */
  opens(url: URL): boolean {
    return this.#patterns.some((pattern) => !isWildcard(pattern) && matchesHost(pattern, url));
  }

  /** DNS for connections to one origin: addresses that are not public are left out unless the origin is opened. */
  readonly lookup =
    (origin: URL): LookupFunction =>
    (hostname, options, callback) => {
      resolve(hostname, { ...options, all: true }, (error, addresses) => {
        if (error !== null) return callback(error, '', 4);
        const isOpened = this.opens(origin);
        // Whoever owns a listed name chooses where it leads: to what hands out a machine's credentials it may not.
        const open = addresses.filter(({ address }) => (isOpened ? !isMetadata(address) : isPublic(address)));
        const first = open[0];
        if (first === undefined) {
          return callback(
            notAllowed(
              origin.origin,
              `resolves to no ${isOpened ? 'address for origins' : 'public address'}`,
            ),
            '',
            4,
          );
        }
        if (options.all) (callback as (error: null, addresses: LookupAddress[]) => void)(null, open);
        else callback(null, first.address, first.family);
      });
    };
}

function expandPreset(entry: string): readonly string[] {
  return entry.startsWith('preset:') ? (ORIGIN_PRESETS.get(entry.slice('preset:'.length)) ?? []) : [entry];
}

/** True for what answers for a machine's metadata and credentials: opened by an entry that is that address alone. */
function isMetadata(address: string): boolean {
  if (!ipaddr.isValid(address)) return true;
  const parsed = ipaddr.process(address);
  return METADATA.has(parsed.toString()) || parsed.range() === 'linkLocal';
}

function isPublic(address: string): boolean {
  if (isMetadata(address)) return false;
  // IPv4 in IPv6 is judged as the IPv4 it is; its old form, `::a.b.c.d`, goes nowhere in public.
  const parsed = ipaddr.process(address);
  return parsed.range() === 'unicast' && !(parsed instanceof ipaddr.IPv6 && parsed.match(COMPATIBLE));
}

function notAllowed(origin: string, why: string): P2PError {
  return new P2PError(
    'ORIGIN_NOT_ALLOWED',
    `${origin} ${why}; add it to Origins in the configuration to allow it`,
  );
}
