import type { IncomingHttpHeaders } from 'node:http';
import fresh from 'fresh';
import type { BlobFacts } from '../blob/facts.ts';

/** What conditional headers make of a request (RFC 9110 §13.2.2). */
export type Verdict = 'go' | 'not-modified' | 'failed';

/** Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since, in the order of §13.2.2. */
export function evaluatePreconditions(headers: IncomingHttpHeaders, facts: BlobFacts): Verdict {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    if (!listsStrongly(ifMatch, facts.etag)) return 'failed';
  } else if (isAfter(facts.lastModified, headers['if-unmodified-since'])) {
    return 'failed';
  }
  if (headers['if-none-match'] === undefined && headers['if-modified-since'] === undefined) return 'go';
  const { 'cache-control': _, ...conditions } = headers;
  return fresh(conditions, validatorsOf(facts)) ? 'not-modified' : 'go';
}

/** True when If-Range lets the Range stand: its validator is the blob's own, strongly (RFC 9110 §13.1.5). */
export function rangeStands(ifRange: string | undefined, facts: BlobFacts): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.includes('"')) return !ifRange.startsWith('W/') && ifRange === facts.etag;
  return facts.lastModified !== undefined && Date.parse(ifRange) === Date.parse(facts.lastModified);
}

function listsStrongly(list: string, etag: string | undefined): boolean {
  if (list.trim() === '*') return true;
  if (etag === undefined || etag.startsWith('W/')) return false;
  // A tag may hold commas: it ends at its quote (RFC 9110 §8.8.3). Weak ones compare as `W/"…"`, so never.
  const listed: readonly string[] = list.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return listed.includes(etag);
}

function isAfter(lastModified: string | undefined, limit: string | undefined): boolean {
  if (lastModified === undefined || limit === undefined) return false;
  const limitMs = Date.parse(limit);
  return !Number.isNaN(limitMs) && Date.parse(lastModified) > limitMs;
}

function validatorsOf({ etag, lastModified }: BlobFacts): Record<string, string> {
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { 'last-modified': lastModified }),
  };
}
