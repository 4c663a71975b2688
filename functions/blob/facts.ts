import CachePolicy from 'http-cache-semantics';
import type { Address } from '../protocol/address.ts';
import type { Digest } from '../protocol/digest.ts';
import type { HeaderLines } from '../protocol/errors.ts';
import { endToEnd, headerValue } from '../protocol/headers.ts';
import { type BlobKey, countChunks, KiB } from './chunk.ts';
import { blobKey } from './identity.ts';
import { MAX_CHUNKS } from './path.ts';

/** What is known of the blob behind an address: enough to answer without asking anyone, for as long as it is fresh. */
export interface BlobFacts {
  readonly key: BlobKey;
  /** Bytes. */
  readonly size: number;
  readonly chunkBytes: number;
  /** The digest that the address promises; absent when it names none. */
  readonly digest?: Digest;
  /** Validators as the origin sent them. */
  readonly etag?: string;
  readonly lastModified?: string;
  /** Representation headers that a reply repeats: Content-Type and its like, lower-case. */
  readonly headers: HeaderLines;
  /** When the origin last vouched for this, milliseconds since the epoch. */
  readonly confirmedAtMs: number;
  /**
   * Until when this holds without asking (RFC 9111 §4.2), milliseconds since the epoch; absent for a digest that
   * is proven, for that never changes.
   */
  readonly freshUntilMs?: number;
  /** True when the origin answers ranged requests with the whole blob. */
  readonly rangeless?: boolean;
  /**
   * Where this was learnt: the repository's URL for a registry's content, else the URL without its query. Absent where
   * a digest alone vouches for it.
   */
  readonly source?: string;
  /** The sha-256 of every chunk, hex, once the whole blob has matched its digest. */
  readonly sealed?: readonly string[];
}

// A tenth of the age of a reply that says nothing of freshness (RFC 9111 §4.2.2) may be months: an origin that
// was put there yesterday and changes today would be served old for as long.
const MAX_HEURISTIC_SECONDS = 3600;
const EXPLICIT_LIFETIME = /(?:^|[\s,])(?:(?:s-maxage|max-age)\s*=|immutable)/i;

// Not repeated to the next client: framing that each reply has of its own, and what was meant for one client.
const NOT_REPEATED =
  /^(?:content-length|content-range|accept-ranges|age|via|cache-status|content-digest|repr-digest|set-cookie2?|alt-svc|x-p2p-.*|www-authenticate)$/;

/** Roughly what facts take in memory, bytes: of a large sealed blob the digests are nearly all of it. */
export function factsBytes({ headers, sealed = [] }: BlobFacts): number {
  const headerChars = Object.entries(headers).reduce(
    (sum, [name, value]) => sum + name.length + value.length,
    0,
  );
  return KiB + headerChars + sealed.length * SEALED_DIGEST_BYTES;
}

// 64 characters, their string's head, and a slot in the list.
const SEALED_DIGEST_BYTES = 96;

/** The head of a reply that shows a whole blob's size and headers. */
export interface Sighting {
  readonly size: number;
  readonly headers: HeaderLines;
  readonly rangeless: boolean;
  /** True when it was asked for with a credential. */
  readonly isPrivate: boolean;
}

/**
 * The facts that a reply shows, or `undefined` when it may not be cached: nothing tells its versions apart,
 * Cache-Control forbids it, it varies by more than the encoding, or it came encoded although asked plain. A page
 * of HTML in place of what a digest names is somebody's error page, and passed on as that.
 */
export function learnFacts(
  address: Address,
  seen: Sighting,
  chunkBytes: number,
  nowMs: number,
): BlobFacts | undefined {
  if (!Number.isSafeInteger(seen.size) || seen.size < address.minBytes) return undefined;
  if (countChunks(seen.size, chunkBytes) > MAX_CHUNKS) return undefined;
  const etag = headerValue(seen.headers, 'etag');
  const lastModified = headerValue(seen.headers, 'last-modified');
  const key = blobKey(address, seen.size, etag, lastModified);
  if (key === undefined || isEncoded(seen.headers)) return undefined;
  // What has no digest may hold something else for everyone who asks, and a date does not tell that apart.
  if (address.digest === undefined && seen.isPrivate && !isStrong(etag)) return undefined;
  // What a digest names is the same for everyone, whatever the server says it looked at.
  if (address.digest === undefined ? varies(seen.headers) : isPage(seen.headers)) return undefined;
  const policy = policyOf(address, seen.headers);
  if (!policy.storable()) return undefined;
  return {
    key,
    size: seen.size,
    chunkBytes,
    ...(address.digest === undefined ? {} : { digest: address.digest }),
    freshUntilMs: freshUntil(address, policy, seen.headers, nowMs),
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    headers: repeatable(seen.headers),
    confirmedAtMs: nowMs - ageOf(seen.headers) * 1000,
    ...(seen.rangeless ? { rangeless: true } : {}),
    source: sourceOf(address),
  };
}

/** Where a blob is from, without what a query may hold of secrets. */
export const sourceOf = ({ scope }: Address): string => scope.split('?', 1)[0] ?? '';

/** The facts after the origin said that they still hold (304, or the same validators again). */
export function confirmFacts(
  facts: BlobFacts,
  address: Address,
  headers: HeaderLines,
  nowMs: number,
): BlobFacts {
  if (facts.freshUntilMs === undefined) return facts;
  // RFC 9111 §4.3.4: what the confirmation says replaces what was stored; the rest stays.
  const { 'content-type': _, 'content-length': __, ...said } = headers;
  const merged = { ...facts.headers, ...said };
  return {
    ...facts,
    headers: repeatable(merged),
    freshUntilMs: freshUntil(address, policyOf(address, merged), merged, nowMs),
    confirmedAtMs: nowMs - ageOf(headers) * 1000,
  };
}

/** True while the facts may be used without asking; those of a proven digest, or of what never changes, always may. */
export function isFresh(
  { freshUntilMs }: BlobFacts,
  nowMs: number,
  { isImmutable }: Pick<Address, 'isImmutable'>,
): boolean {
  // Nothing is fresh any more of what was written to.
  return freshUntilMs === undefined || nowMs < freshUntilMs || (isImmutable && freshUntilMs > EXPIRED_MS);
}

/** `freshUntilMs` of facts that have to be confirmed, come what may. */
export const EXPIRED_MS = 0;

/** Seconds since the origin vouched for these facts: the `Age` of a reply (RFC 9111 §5.1). */
export function ageSeconds(facts: BlobFacts, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - facts.confirmedAtMs) / 1000));
}

function policyOf(address: Address, headers: HeaderLines): CachePolicy {
  // A 206 counts as the 200 it is a part of: the chunks are put together again. That the request had an Authorization
  // is not shown here: RFC 9111 §3.5 keeps shared caches from storing such replies because they would serve them to
  // anyone, and we serve them to those alone whom the origin lets read them (see access/).
  return new CachePolicy(
    { url: address.identity, method: 'GET', headers: {} },
    { status: 200, headers },
    { shared: true },
  );
}

// How long an origin's word on a digest is believed before the blob has been hashed whole.
const CLAIM_MS = 60_000;

/** Not `timeToLive`: that counts the time in which stale replies may be served, which is not for this to decide. */
function freshUntil(address: Address, policy: CachePolicy, headers: HeaderLines, nowMs: number): number {
  if (address.digest !== undefined) return nowMs + CLAIM_MS;
  const isExplicit =
    'expires' in headers || EXPLICIT_LIFETIME.test(headerValue(headers, 'cache-control') ?? '');
  const lifetime = isExplicit ? policy.maxAge() : Math.min(MAX_HEURISTIC_SECONDS, policy.maxAge());
  return nowMs + Math.max(0, lifetime - policy.age()) * 1000;
}

function repeatable(headers: HeaderLines): HeaderLines {
  const kept: HeaderLines = {};
  for (const [name, value] of Object.entries(endToEnd(headers))) {
    if (!NOT_REPEATED.test(name)) kept[name] = value;
  }
  return kept;
}

const isStrong = (etag: string | undefined): boolean => etag !== undefined && !etag.startsWith('W/');

function ageOf(headers: HeaderLines): number {
  const age = Number(headerValue(headers, 'age') ?? 0);
  return Number.isFinite(age) ? Math.max(0, age) : 0;
}

const isPage = (headers: HeaderLines): boolean =>
  /^text\/html\b/i.test(headerValue(headers, 'content-type') ?? '');

function isEncoded(headers: HeaderLines): boolean {
  const encoding = headerValue(headers, 'content-encoding');
  return encoding !== undefined && encoding.toLowerCase() !== 'identity';
}

function varies(headers: HeaderLines): boolean {
  const names = (headerValue(headers, 'vary') ?? '').toLowerCase().split(',');
  return names.some((name) => name.trim() !== '' && name.trim() !== 'accept-encoding');
}
