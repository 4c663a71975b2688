import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { VirtualBlob } from './blob-of.ts';
import type { Fault } from './fault.ts';

/** How a test origin presents a blob. `null` means that the header is not sent. */
export interface BlobOptions {
  /** Bare, without quotes; `W/` in front makes it weak. Default: made from the bytes. */
  readonly etag?: string | null;
  readonly lastModified?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A blob as a test origin holds it. */
export interface Served {
  readonly blob: VirtualBlob;
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** A reply decided upon and not sent yet: status, headers and the bytes `[start, end)` of the blob. */
export interface PlannedReply {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly start: number;
  readonly end: number;
}

const LAST_MODIFIED = 'Wed, 01 Jan 2020 00:00:00 GMT';

/** Makes bytes fit to be served. */
export function served(bytes: Uint8Array | VirtualBlob, options: BlobOptions): Served {
  const blob: VirtualBlob =
    bytes instanceof Uint8Array
      ? { size: bytes.length, at: (offset, length) => Buffer.from(bytes.subarray(offset, offset + length)) }
      : bytes;
  const sample = blob.at(0, Math.min(blob.size, 64 * 1024));
  const etag = createHash('sha256').update(`${blob.size} `).update(sample).digest('hex').slice(0, 16);
  return {
    blob,
    etag: options.etag === undefined ? etag : options.etag,
    lastModified: options.lastModified === undefined ? LAST_MODIFIED : options.lastModified,
    headers: options.headers ?? {},
  };
}

/**
 * The right answer to a request for a blob (RFC 9110 §13, §14), bent where the fault says so. Shares no code
 * with what is tested: an error there must not cancel itself out here.
 */
export function planReply(held: Served, asked: IncomingHttpHeaders, fault: Fault): PlannedReply {
  const { size } = held.blob;
  const etag = fault.etag ?? held.etag;
  const quoted = etag === null ? undefined : etag.startsWith('W/') ? `W/"${etag.slice(2)}"` : `"${etag}"`;
  const headers: Record<string, string | string[]> = {
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    ...(quoted === undefined ? {} : { etag: quoted }),
    ...(held.lastModified === null ? {} : { 'last-modified': held.lastModified }),
    ...held.headers,
  };

  if (asked['if-match'] !== undefined && !matches(asked['if-match'], quoted)) {
    return { status: 412, headers, start: 0, end: 0 };
  }
  if (isUnchanged(asked, quoted, held.lastModified)) return { status: 304, headers, start: 0, end: 0 };

  const range = fault.ignoreRange ? undefined : asked.range;
  const condition = asked['if-range'] as string | undefined;
  const valid = condition === undefined || condition === quoted || condition === held.lastModified;
  const span = valid ? spanOf(range, size) : undefined;
  if (span === undefined) return { status: 200, headers, start: 0, end: size };
  if (span === 'unsatisfiable') {
    headers['content-range'] = `bytes */${size}`;
    return { status: 416, headers, start: 0, end: 0 };
  }
  headers['content-range'] = fault.contentRange ?? `bytes ${span.start}-${span.end - 1}/${size}`;
  return { status: 206, headers, ...span };
}

function isUnchanged(asked: IncomingHttpHeaders, etag: string | undefined, lastModified: string | null) {
  if (asked['if-none-match'] !== undefined) return matches(asked['if-none-match'], etag);
  const since = Date.parse(asked['if-modified-since'] ?? '');
  return lastModified !== null && Date.parse(lastModified) <= since;
}

function matches(list: string, etag: string | undefined): boolean {
  const wanted = list.split(',').map((item) => item.trim().replace(/^W\//, ''));
  return wanted.includes('*') || (etag !== undefined && wanted.includes(etag.replace(/^W\//, '')));
}

/** Several ranges in one request are answered by the whole, as RFC 9110 §14.2 allows. */
function spanOf(range: string | undefined, size: number) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  return start < end ? { start, end } : ('unsatisfiable' as const);
}
