import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BlobReader } from '../../functions/blob/reader.ts';
import type { Address } from '../../functions/protocol/address.ts';
import { endToEnd, headerValue, PROXY_NAME } from '../../functions/protocol/headers.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import type { OriginAccess } from '../../functions/service/origin-access.ts';
import { Outlet } from '../../functions/service/outlet.ts';
import { relayReply } from '../../functions/service/relay.ts';

/** What passing requests through takes. */
export interface PassParts {
  readonly http: HttpClient;
  readonly access: OriginAccess;
  /** Told of what is written to. */
  readonly reader: Pick<BlobReader, 'invalidate'>;
}

// RFC 9110 §9.2.1, and PROPFIND and its like, which clients poll with. Any other method may write (RFC 9111 §4.4).
const SAFE_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'REPORT',
  'SEARCH',
]);

/**
 * Passes a request on to where its URL points, and the reply back, both streamed and otherwise unchanged. What is
 * cached of a URL that was written to is confirmed before it is served again.
 *
 * @throws P2PError ORIGIN_NOT_ALLOWED for an address that is neither public nor listed; what the upstream fails
 * with; CLIENT_GONE when the client leaves, which stops the upstream too.
 */
export async function pass(
  { http, access, reader }: PassParts,
  address: Address,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(address.url);
  access.checkAddress(url);
  // Node has answered `Expect: 100-continue` already.
  const { expect: _, ...headers } = endToEnd(request.headers);
  const via = headerValue(headers, 'via');
  const own = `${request.httpVersion} ${PROXY_NAME}`;
  const sent = { ...headers, host: url.host, via: via === undefined ? own : `${via}, ${own}` };
  const hasBody = 'content-length' in request.headers || 'transfer-encoding' in request.headers;
  const method = request.method ?? 'GET';
  const outlet = new Outlet(response);
  const reply = await http.request(
    { url: url.href, method, headers: sent, ...(hasBody ? { body: request } : {}) },
    outlet.signal,
  );
  // Before the client sees the reply: it may ask at once.
  if (!SAFE_METHODS.has(method) && reply.status < 400) await reader.invalidate(address);
  await relayReply(reply, method, response, outlet);
}
