import type { ServerResponse } from 'node:http';
import { nodeFailure } from '../blob/answer.ts';
import { firstSuccess } from '../blob/attempt.ts';
import type { Reply, ReplyBody, Upstream, UpstreamQuery } from '../blob/upstream.ts';
import { P2PError } from '../protocol/errors.ts';
import { endToEnd, headerValue, PROXY_NAME } from '../protocol/headers.ts';
import type { Outlet } from './outlet.ts';
import type { ReplyLimit } from './reply-limit.ts';

/**
 * Passes one request through, uncached: the reply's status, headers and body reach the client as they are.
 *
 * @throws P2PError when no upstream answered; REPLY_TOO_LARGE; when the body breaks, with the head sent.
 */
export async function relay(
  upstream: Upstream,
  query: UpstreamQuery,
  response: ServerResponse,
  outlet: Outlet,
  limit?: Pick<ReplyLimit, 'check'>,
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
  const fitting = limit === undefined || query.method === 'HEAD' ? reply : await fit(reply, limit);
  await relayReply(fitting, query.method, response, outlet);
}

/** The reply, once it is known to be within the limit: one that does not tell its length is read for that. */
async function fit(reply: Reply, limit: Pick<ReplyLimit, 'check'>): Promise<Reply> {
  const told = headerValue(reply.headers, 'content-length');
  try {
    limit.check(Number(told ?? 0));
  } catch (error) {
    reply.body.discard();
    throw error;
  }
  if (told !== undefined) return reply;
  const pieces: Buffer[] = [];
  let bytes = 0;
  await reply.body.read((piece) => {
    bytes += piece.length;
    limit.check(bytes);
    pieces.push(Buffer.from(piece));
  });
  const read: ReplyBody['read'] = async (sink) => {
    for (const piece of pieces) await sink(piece);
  };
  return { ...reply, body: { read, discard() {} } };
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
