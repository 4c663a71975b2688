import type { IncomingHttpHeaders } from 'node:http';

/** What AWS refuses a request to S3 with, as far as our own could meet it. */
export const S3_ERRORS = {
  InvalidArgument: [400, 'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, …'],
  AuthorizationQueryParametersError: [400, 'X-Amz-Expires must be less than a week (in seconds)'],
  // The session of whoever signed, which a presigned URL does not outlive.
  ExpiredToken: [400, 'The provided token has expired.'],
  AccessDenied: [403, 'Access Denied'],
  ExpiredPresign: [403, 'Request has expired'],
  RequestTimeTooSkewed: [403, 'The difference between the request time and the current time is too large.'],
  NoSuchBucket: [404, 'The specified bucket does not exist'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  NotImplemented: [501, 'A header you provided implies functionality that is not implemented'],
  SlowDown: [503, 'Please reduce your request rate.'],
} as const satisfies Readonly<Record<string, readonly [status: number, message: string]>>;

export type S3ErrorCode = keyof typeof S3_ERRORS;

/** The reply that says so. */
export function s3Error(code: S3ErrorCode): {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
} {
  const [status, message] = S3_ERRORS[code];
  // S3 has no code of its own for it.
  const name = code === 'ExpiredPresign' ? 'AccessDenied' : code;
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${name}</Code><Message>${message}</Message></Error>`;
  return { status, headers: { 'content-type': 'application/xml' }, body };
}

const WEEK_SECONDS = 604_800;

/**
 * What AWS refuses about the signature of a request where MinIO is lenient, or has another clock: two ways of signing
 * at once, a presigned URL or a session whose time is over, a time of signing too far from the server's. `sessions`
 * says when each ends, by its token.
 */
export function judgeSignature(
  { url = '', headers }: { readonly url?: string | undefined; readonly headers: IncomingHttpHeaders },
  nowMs: number,
  toleranceMs: number,
  sessions: ReadonlyMap<string, number> = new Map(),
): S3ErrorCode | undefined {
  const query = new URL(url, 'http://s3').searchParams;
  const isPresigned = query.has('X-Amz-Algorithm') || query.has('Signature');
  if (isPresigned && headers.authorization !== undefined) return 'InvalidArgument';
  const token = query.get('X-Amz-Security-Token') ?? String(headers['x-amz-security-token']);
  if (nowMs > (sessions.get(token) ?? Number.POSITIVE_INFINITY)) return 'ExpiredToken';
  if (!isPresigned) {
    const signedMs = parseTime(String(headers['x-amz-date'] ?? ''));
    const isSkewed = signedMs !== undefined && Math.abs(nowMs - signedMs) > toleranceMs;
    return isSkewed ? 'RequestTimeTooSkewed' : undefined;
  }
  const signedMs = parseTime(query.get('X-Amz-Date') ?? '');
  const lifeSeconds = Number(query.get('X-Amz-Expires'));
  if (!(lifeSeconds > 0 && lifeSeconds <= WEEK_SECONDS)) return 'AuthorizationQueryParametersError';
  if (signedMs === undefined || signedMs - nowMs > toleranceMs) return 'AccessDenied';
  return nowMs > signedMs + lifeSeconds * 1000 ? 'ExpiredPresign' : undefined;
}

/** `20261122T163204Z` in milliseconds since the epoch. */
function parseTime(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** Requests a second that a prefix takes. */
export interface PrefixRates {
  readonly writes: number;
  readonly reads: number;
}

// Amazon S3 user guide, "Best practices design patterns".
export const AWS_RATES: PrefixRates = { writes: 3_500, reads: 5_500 };
// `/<bucket>/<prefix>/<hh>/…`: a bucket is split where many keys differ, so not above the first byte of a hash.
const PREFIX_SEGMENTS = 3;

/** Counts requests by prefix and second. */
export class PrefixThrottle {
  #second = -1;
  readonly #counts = new Map<string, number>();

  /** False when a request is one too many in this second. */
  admits(method: string, url: string, rates: PrefixRates, nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) this.#counts.clear();
    this.#second = second;
    const isRead = method === 'GET' || method === 'HEAD';
    const path = url.split('?', 1)[0] ?? '';
    const prefix = path
      .split('/')
      .slice(0, PREFIX_SEGMENTS + 1)
      .join('/');
    const name = `${isRead ? 'read' : 'write'} ${prefix}`;
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return count <= (isRead ? rates.reads : rates.writes);
  }
}
