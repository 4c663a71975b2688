import type { Door } from './event.ts';

/** What a door sends to its client. */
export interface DoorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
}

/** Why a door answers by itself. */
export type Trouble =
  | 'request too large'
  | 'headers too large'
  | 'throttled'
  | 'timed out'
  /** The function threw, its process ended, or what it returned is no reply or too large. */
  | 'failed';

interface Returned {
  readonly statusCode?: unknown;
  readonly headers?: unknown;
  readonly cookies?: unknown;
  readonly body?: unknown;
  readonly isBase64Encoded?: unknown;
}

// Doors write these headers themselves; a function's own come out under another name, the registry's challenge too
// (cargo-lambda/cargo-lambda#862; API Gateway developer guide, "Important notes").
const REMAPPED = /^(?:connection|content-length|date|server|www-authenticate)$/;

/**
 * The reply that AWS makes of what a function returned (payload format 2.0): one without `statusCode` is the JSON body
 * of a 200. Content-Length is that of the body returned, so it is 0 for HEAD. `undefined`: it is no reply.
 */
export function replyOf(payload: string): DoorReply | undefined {
  const returned = JSON.parse(payload) as Returned | null;
  if (returned === null || typeof returned !== 'object' || returned.statusCode === undefined) {
    const body = Buffer.from(typeof returned === 'string' ? returned : payload);
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  }
  const { statusCode, headers = {}, cookies = [], body = '', isBase64Encoded = false } = returned;
  const status = Number(statusCode);
  const isReply =
    Number.isInteger(status) &&
    status >= 100 &&
    status <= 599 &&
    typeof body === 'string' &&
    typeof headers === 'object' &&
    Array.isArray(cookies);
  if (!isReply) return undefined;
  const sent: Record<string, string | readonly string[]> = { 'content-type': 'application/json' };
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (typeof value === 'object') return undefined;
    const lower = name.toLowerCase();
    sent[REMAPPED.test(lower) ? `x-amzn-remapped-${lower}` : lower] = String(value);
  }
  if (cookies.length > 0) sent['set-cookie'] = cookies.map(String);
  return { status, headers: sent, body: Buffer.from(body, isBase64Encoded === true ? 'base64' : 'utf8') };
}

/** What a door says by itself. An HTTP API answers a function that failed with 500, a Function URL with 502. */
export function troubleReply(door: Door, trouble: Trouble): DoorReply {
  const [urlStatus, apiStatus, text] = TROUBLES[trouble];
  const isUrl = door === 'function-url';
  return {
    status: isUrl ? urlStatus : apiStatus,
    headers: { 'content-type': isUrl ? 'text/plain' : 'application/json' },
    body: Buffer.from(isUrl ? text : JSON.stringify({ message: text })),
  };
}

const TROUBLES: Readonly<Record<Trouble, readonly [urlStatus: number, apiStatus: number, text: string]>> = {
  'request too large': [413, 413, 'Request Entity Too Large'],
  'headers too large': [431, 431, 'Request Header Fields Too Large'],
  throttled: [429, 503, 'Rate Exceeded.'],
  'timed out': [504, 503, 'Service Unavailable'],
  failed: [502, 500, 'Internal Server Error'],
};
