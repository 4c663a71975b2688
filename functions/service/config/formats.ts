import { isIP, isIPv6 } from 'node:net';
import { RE2JS } from 're2js';
import { isZone } from '../../protocol/member.ts';
import { ORIGIN_PRESETS } from '../origin-presets.ts';
import { nearest } from './nearest.ts';
import type { TextFormat } from './setting-schema.ts';

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;

const isHost = (text: string): boolean => HOST_NAME.test(text) || isIPv6(text);

function isHostPort(text: string): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return false;
  const [, ipv6, name, port] = match;
  const hostIsRight = ipv6 === undefined ? HOST_NAME.test(name ?? '') : isIPv6(ipv6);
  return hostIsRight && Number(port) >= 1 && Number(port) <= 65_535;
}

function isAddressPort(text: string): boolean {
  const [, host = ''] = /^(.+):\d+$/.exec(text) ?? [];
  return isHostPort(text) && isIP(host.replace(/^\[|\]$/g, '')) !== 0;
}

function isSibling(text: string): boolean {
  const [, prefix, name = ''] = /^(dns|dnssrv)\+(.+)$/.exec(text) ?? [];
  if (prefix !== undefined) return prefix === 'dns' ? isHostPort(name) : HOST_NAME.test(name);
  return text === 'directory' || isHostPort(text) || isOriginUrl(text);
}

function httpUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && url.username === '' && url.password === '';
  return isPlain && (url.protocol === 'http:' || url.protocol === 'https:') ? url : undefined;
}

function isHostPattern(text: string): boolean {
  const isWildcard = text === '*' || (text.startsWith('*.') && HOST_NAME.test(text.slice(2)));
  return isWildcard || isHost(text) || isHostPort(text);
}

function isOriginUrl(text: string): boolean {
  const url = httpUrl(text);
  return url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '';
}

function checkOrigin(text: string): string | undefined {
  if (text.startsWith('preset:')) {
    const name = text.slice('preset:'.length);
    if (ORIGIN_PRESETS.has(name)) return undefined;
    const known = [...ORIGIN_PRESETS.keys()];
    const meant = nearest(name, known);
    const remedy = meant === undefined ? `known ones: ${known.join(', ')}` : `did you mean preset:${meant}?`;
    return `names an unknown preset; ${remedy}`;
  }
  if (isOriginUrl(text) || isHostPattern(text)) return undefined;
  return 'must be scheme://host[:port] without a path, a host, *.suffix, * or preset:<name>';
}

function checkRegex(text: string): string | undefined {
  try {
    RE2JS.compile(text);
    return undefined;
  } catch (cause) {
    return `must be an RE2 expression: ${(cause as Error).message.replace(/^error parsing regexp: /, '')}`;
  }
}

const MIN_SECRET_LETTERS = 32;
// 32 random hex digits have 117 as this counts, give or take 20.
const MIN_SECRET_BITS = 90;

/** Nobody says how a secret was chosen: what is short, or repeats itself, was not chosen by chance. */
function checkSecret(text: string): string | undefined {
  const isLong = text.length >= MIN_SECRET_LETTERS;
  if (isLong && entropyOf(withoutRepetition([...text])) >= MIN_SECRET_BITS) return undefined;
  const fault = isLong ? 'repeats itself too much' : 'is too short';
  return `${fault} to be a secret; use at least 32 letters that were chosen by chance, as openssl rand -base64 32 prints them`;
}

/** What the whole is a repetition of, else the whole. */
function withoutRepetition(letters: readonly string[]): readonly string[] {
  const period = letters.findIndex(
    (_, at) => at > 0 && letters.every((letter, i) => letter === letters[i % at]),
  );
  return period === -1 ? letters : letters.slice(0, period);
}

/** Bits, if each letter had been drawn by itself (Shannon). */
function entropyOf(letters: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const letter of letters) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= count * Math.log2(count / letters.length);
  return bits;
}

/** What is wrong with a text that should have a format; `undefined` when nothing is. */
export const FORMAT_CHECKS: Readonly<Record<TextFormat, (text: string) => string | undefined>> = {
  host: (text) =>
    isHost(text) ? undefined : 'must be an address such as 127.0.0.1 or a host name, without a port',
  'http-url': (text) => (httpUrl(text) ? undefined : 'must be an http:// or https:// URL without a user'),
  'host-port': (text) => (isHostPort(text) ? undefined : 'must be host:port'),
  'root-address': (text) =>
    isHostPort(text) || httpUrl(text) ? undefined : 'must be host:port or an http(s):// URL',
  origin: checkOrigin,
  'origin-url': (text) => (isOriginUrl(text) ? undefined : 'must be scheme://host[:port] without a path'),
  'host-pattern': (text) => (isHostPattern(text) ? undefined : 'must be a host, host:port, *.suffix or *'),
  regex: checkRegex,
  sibling: (text) =>
    isSibling(text)
      ? undefined
      : 'must be directory, host:port, an http(s):// URL, dns+NAME:PORT or dnssrv+NAME',
  zone: (text) => (isZone(text) ? undefined : 'must be letters, digits and . _ -, at most 63'),
  'dns-server': (text) =>
    text === '' || isAddressPort(text) ? undefined : 'must be an address and port, such as 127.0.0.1:53',
  secret: checkSecret,
};
