import type { ServerResponse } from 'node:http';
import { nodeFailure } from '../blob/answer.ts';
import { firstSuccess } from '../blob/attempt.ts';
import type { Reply, Upstream, UpstreamQuery } from '../blob/upstream.ts';
import { P2PError } from '../protocol/errors.ts';
import { endToEnd, headerValue, PROXY_NAME } from '../protocol/headers.ts';
import type { Outlet } from './outlet.ts';

/**
 * Passes one request through, uncached: the reply's status, headers and body reach the client as they are.
 *
 * @throws P2PError when no upstream answered; when the body breaks, with the head sent.
 */
export async function relay(
  upstream: Upstream,
  query: UpstreamQuery,
  response: ServerResponse,
  outlet: Outlet,
  maxBytes?: number,
): Promise<void> {
  const reply = await firstSuccess(
    upstream.sources(query.address),
    async (source) => {
      const answer = await source.open(query, outlet.signal);
      // A node of ours that failed says nothing about the origin, so the next is asked; an origin is believed.
      const failure = await nodeFailure(answer, source);
      if (failure !== undefined) throw failure;
      if (answer.status < 500 || source.kind === 'origin') return answer;
      answer.body.discard();
      throw new P2PError('UPSTREAM_FAILED', `${source.name} answered ${answer.status}`);
    },
    () => {},
  );
  const length = query.method === 'HEAD' ? 0 : Number(headerValue(reply.headers, 'content-length') ?? 0);
  if (maxBytes !== undefined && length > maxBytes) reply.body.discard();
  checkReplyLength(length, maxBytes);
  await relayReply(reply, query.method, response, outlet);
}

/** @throws P2PError REPLY_TOO_LARGE when a body is more than the platform lets a reply be. */
export function checkReplyLength(length: number, maxBytes: number | undefined): void {
  if (maxBytes === undefined || length <= maxBytes) return;
  const remedy = 'ask by Range, or through an agent';
  throw new P2PError(
    'REPLY_TOO_LARGE',
    `${length} bytes do not fit this function's reply of ${maxBytes}; ${remedy}`,
  );
}

/** Writes a reply to a client as it is, hop-by-hop headers left out. */
async function relayReply(reply: Reply, method: string, response: ServerResponse, outlet: Outlet) {
  const headers = endToEnd(reply.headers);
  const via = headerValue(headers, 'via');
  headers.via = via === undefined ? `1.1 ${PROXY_NAME}` : `${via}, 1.1 ${PROXY_NAME}`;
  headers['cache-status'] ??= `${PROXY_NAME}; fwd=bypass`;
  response.writeHead(reply.status, headers);
  if (method === 'HEAD') {
    reply.body.discard();
    response.end();
  } else {
    await outlet.relay(reply.body);
    response.end();
  }
}
