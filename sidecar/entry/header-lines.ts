import type { IncomingMessage } from 'node:http';
import { hopByHop, PROXY_NAME } from '../../functions/protocol/headers.ts';

/** Header lines in the order and the letters they came in; a header that was repeated is repeated. */
export type HeaderPairs = readonly [name: string, value: string][];

/** What Node calls raw: names and values by turns. */
export function pairsOf(raw: readonly string[]): HeaderPairs {
  return Array.from({ length: raw.length / 2 }, (_, at) => [raw[2 * at] ?? '', raw[2 * at + 1] ?? '']);
}

// RFC 9110 §6.5.1: whoever takes them for headers of the message would see another message than we. Those that frame it
// the parser refuses.
const NO_TRAILER: ReadonlySet<string> = new Set([
  'authorization',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'host',
  'set-cookie',
]);

/** The trailers of a message as they go on: without those that say what it is, for whom or by whom. */
export function trailersOf({ rawTrailers }: IncomingMessage): HeaderPairs {
  const isHop = hopByHop(undefined);
  return pairsOf(rawTrailers).filter(([name]) => {
    const lower = name.toLowerCase();
    return !isHop(lower) && !NO_TRAILER.has(lower);
  });
}

const linesOf = (pairs: HeaderPairs, name: string): string =>
  pairs
    .filter(([each]) => each.toLowerCase() === name)
    .map(([, value]) => value)
    .join(', ');

/** The lines of a message without those between two neighbours only, and with our name in `Via`. */
function onward({ rawHeaders, httpVersion }: IncomingMessage): [name: string, value: string][] {
  const pairs = pairsOf(rawHeaders);
  const isHop = hopByHop(linesOf(pairs, 'connection'));
  const kept = pairs.filter(([name]) => !isHop(name.toLowerCase()));
  return [...kept, ['Via', `${httpVersion} ${PROXY_NAME}`]];
}

/** The lines that the origin is sent; the connection to it is our own, so what is said of that is new. */
export function requestLines(request: IncomingMessage, host: string, persists: boolean): HeaderPairs {
  const { headers } = request;
  const pairs = onward(request).map(([name, value]): [string, string] => [
    name,
    name.toLowerCase() === 'host' ? host : value,
  ]);
  if (headers.host === undefined) pairs.unshift(['Host', host]);
  if (isUpgrade(request)) return [...pairs, ['Upgrade', headers.upgrade ?? ''], ['Connection', 'Upgrade']];
  const connection = [persists ? 'keep-alive' : 'close'];
  if (takesTrailers(headers.te)) {
    // All other transfer codings are between the client and us.
    pairs.push(['TE', 'trailers']);
    connection.push('TE');
  }
  if ('transfer-encoding' in headers) {
    const announced = headers.trailer;
    if (announced !== undefined) pairs.push(['Trailer', announced]);
    pairs.push(['Transfer-Encoding', 'chunked']);
  } else if (!('content-length' in headers) && MEANS_BODY.has(request.method ?? '')) {
    pairs.push(['Content-Length', '0']);
  }
  return [...pairs, ['Connection', connection.join(', ')]];
}

// Node sends a chunked body with these when nothing is said of one.
const MEANS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

const takesTrailers = (te: string | string[] | undefined): boolean =>
  /(?:^|,)\s*trailers\s*(?:$|[,;])/i.test(String(te ?? ''));

export const hasBody = ({ headers }: IncomingMessage): boolean =>
  'transfer-encoding' in headers || Number(headers['content-length'] ?? 0) > 0;

/** True for a request that Node has taken off HTTP because it asks to leave it (see `upgrade.ts`). */
export const isUpgrade = (request: IncomingMessage): boolean =>
  (request as { readonly upgrade?: boolean }).upgrade === true;

/** The lines of the origin's reply that the client is sent. */
export function replyLines(reply: IncomingMessage, client: IncomingMessage): HeaderPairs {
  const pairs = onward(reply);
  const isChunked = 'transfer-encoding' in reply.headers && client.httpVersion === '1.1';
  const { trailer } = reply.headers;
  if (trailer !== undefined && isChunked && mayHaveBody(reply, client.method))
    pairs.push(['Trailer', trailer]);
  pairs.push(['Cache-Status', `${PROXY_NAME}; fwd=bypass`]);
  return pairs;
}

/** RFC 9112 §6.3: whatever their headers say. */
export const mayHaveBody = ({ statusCode }: IncomingMessage, method: string | undefined): boolean =>
  method !== 'HEAD' && statusCode !== 204 && statusCode !== 304;

/** A head as it goes on the wire. */
export function formatHead(status: number, reason: string, pairs: HeaderPairs): Buffer {
  const lines = pairs.map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n`, 'latin1');
}
