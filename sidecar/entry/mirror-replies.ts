import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HeaderLines } from '../../functions/protocol/errors.ts';
import { PROXY_NAME } from '../../functions/protocol/headers.ts';
import type { NamedManifest } from '../../functions/service/ask-tag.ts';

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Answers a ping in a registry's place: go on, no credential is asked for. */
export const letThrough = (asked: Asked): void =>
  reply(asked, { 'content-type': 'application/json', 'content-length': '2' }, '{}');

/** Answers HEAD by what an origin has said of a manifest; `false`, with nothing sent, when that is not all it takes. */
export function describeManifest(asked: Asked, { digest, mediaType, size }: NamedManifest): boolean {
  if (mediaType === undefined || size === undefined) return false;
  reply(asked, {
    'content-type': mediaType,
    'content-length': String(size),
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    via: `1.1 ${PROXY_NAME}`,
    'cache-status': `${PROXY_NAME}; fwd=request`,
  });
  return true;
}

/** How a reply says that it may be out of date (RFC 9111 §5.1, RFC 7234 §5.5.1, RFC 9211). */
export const staleMarks = (seconds: number): HeaderLines => ({
  age: String(seconds),
  warning: `110 ${PROXY_NAME} "Response is Stale"`,
  'cache-status': `${PROXY_NAME}; hit; detail=stale-origin-unreachable`,
});

function reply({ request, response }: Asked, headers: HeaderLines, body?: string): void {
  response.writeHead(200, { 'docker-distribution-api-version': 'registry/2.0', ...headers });
  response.end(request.method === 'HEAD' ? undefined : body);
}
