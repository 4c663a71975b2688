import type { IncomingMessage } from 'node:http';

/** What stands before a function: its own URL, or an HTTP API of API Gateway on the stage `$default`. */
export type Door = 'function-url' | 'http-api';

/** An event of payload format 2.0, as far as a function sees it. */
export interface HttpEvent {
  readonly version: '2.0';
  readonly routeKey: '$default';
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly cookies?: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly queryStringParameters?: Readonly<Record<string, string>>;
  readonly requestContext: Readonly<Record<string, unknown>>;
  readonly body?: string;
  readonly isBase64Encoded: boolean;
}

// RFC 9110 §7.6.1: these end at the door.
const HOP_BY_HOP =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-length)$/;
const TEXT = /^(?:text\/|application\/(?:json|javascript|xml|x-www-form-urlencoded|[^;]*\+(?:json|xml)))/i;

/**
 * The event that AWS makes of a request (Lambda developer guide, "Request payload format"; API Gateway developer
 * guide, "payload format version"). Both doors leave the query as it was sent. A Function URL leaves the path too;
 * an HTTP API decodes it and drops what follows a decoded `?` (captures in hotsock/voker#8, honojs/hono#2156).
 */
export function eventOf(door: Door, request: IncomingMessage, body: Buffer, requestId: string): HttpEvent {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const rawQueryString = mark === -1 ? '' : target.slice(mark + 1);
  const rawPath = door === 'http-api' ? decoded(path) : path;
  const { cookie, ...headers } = joinedHeaders(request);
  const sourceIp = request.socket.remoteAddress ?? '';
  const query = parametersOf(rawQueryString);
  const isText = TEXT.test(headers['content-type'] ?? '');
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString,
    ...(cookie === undefined ? {} : { cookies: cookie.split(/[;,]\s*/) }),
    headers: {
      ...headers,
      ...(door === 'http-api' || body.length > 0 ? { 'content-length': String(body.length) } : {}),
      'x-forwarded-for': sourceIp,
      'x-forwarded-port': '443',
      'x-forwarded-proto': 'https',
      'x-amzn-trace-id': 'Root=1-00000000-000000000000000000000000',
    },
    ...(query === undefined ? {} : { queryStringParameters: query }),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'emulated',
      domainName: headers.host,
      domainPrefix: 'emulated',
      http: {
        method: request.method,
        path: rawPath,
        protocol: 'HTTP/1.1',
        sourceIp,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId,
      routeKey: '$default',
      stage: '$default',
    },
    ...(body.length === 0 ? {} : { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  };
}

/** What an HTTP API counts against its 10,240 bytes: the request line and the headers. */
export function headBytes(request: IncomingMessage): number {
  const line = `${request.method} ${request.url} HTTP/1.1`;
  return line.length + request.rawHeaders.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** Lower-case names; a header that came more than once is one, joined by commas. */
function joinedHeaders({ rawHeaders }: IncomingMessage): Record<string, string> {
  const joined: Record<string, string> = {};
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    const value = rawHeaders[at + 1] ?? '';
    if (!HOP_BY_HOP.test(name)) joined[name] = name in joined ? `${joined[name]},${value}` : value;
  }
  return joined;
}

function parametersOf(rawQuery: string): Record<string, string> | undefined {
  if (rawQuery === '') return undefined;
  const joined: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    joined[name] = name in joined ? `${joined[name]},${value}` : value;
  }
  return joined;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path).split('?', 1)[0] ?? '';
  } catch {
    return path;
  }
}
