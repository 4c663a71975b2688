import type { IncomingMessage, ServerResponse } from 'node:http';
import { endToEnd, headerValue, PROXY_NAME } from '../../functions/protocol/headers.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import type { OriginAccess } from '../../functions/service/origin-access.ts';
import { Outlet } from '../../functions/service/outlet.ts';
import { relayReply } from '../../functions/service/relay.ts';

/** What passing requests through takes. */
export interface PassParts {
  readonly http: HttpClient;
  readonly access: OriginAccess;
}

/**
 * Passes a request on to where its URL points, and the reply back, both streamed and otherwise unchanged.
 *
 * @throws P2PError ORIGIN_NOT_ALLOWED for an address that is neither public nor listed; what the upstream fails
 * with; CLIENT_GONE when the client leaves, which stops the upstream too.
 */
export async function pass(
  { http, access }: PassParts,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
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
  await relayReply(reply, method, response, outlet);
}
