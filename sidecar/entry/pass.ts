import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { BlobReader } from '../../functions/blob/reader.ts';
import type { ReplyBody } from '../../functions/blob/upstream.ts';
import type { Address } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { OriginAccess } from '../../functions/service/origin-access.ts';
import { Outlet } from '../../functions/service/outlet.ts';
import {
  formatHead,
  type HeaderPairs,
  hasBody,
  isUpgrade,
  mayHaveBody,
  pairsOf,
  replyLines,
  requestLines,
  trailersOf,
} from './header-lines.ts';
import { join } from './join.ts';
import { noteRight } from './note-right.ts';
import type { Interim, PassClient } from './pass-client.ts';
import { endOf } from './upgrade.ts';

/** What passing requests through takes. */
export interface PassParts {
  readonly client: PassClient;
  readonly access: OriginAccess;
  /** Told of what is written to, and of rights that replies show. */
  readonly reader: Pick<BlobReader, 'access' | 'invalidate'>;
}

/** What stands between an origin and clients that know it by another name. */
export interface Front {
  /** The lines of a request, with those that tell the origin who asks. */
  introduce(pairs: HeaderPairs): HeaderPairs;
  /** A line of the origin's reply as it is to the client. */
  translate(pair: HeaderPairs[number]): HeaderPairs[number];
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
 * Passes a request on to where its URL points, and the reply back, both streamed and otherwise unchanged; 1xx replies,
 * trailers, and a switch to another protocol too. What is cached of a URL that was written to is confirmed before it
 * is served again.
 *
 * @throws P2PError ORIGIN_NOT_ALLOWED for an address that is neither public nor listed; what the upstream fails
 * with; CLIENT_GONE when the client leaves, which stops the upstream too.
 */
export async function pass(
  { client, access, reader }: PassParts,
  address: Address,
  request: IncomingMessage,
  response: ServerResponse,
  front?: Front,
): Promise<void> {
  const url = new URL(address.url);
  access.checkAddress(url);
  const outlet = new Outlet(response);
  const leaves = isUpgrade(request) ? endOf(request.socket) : undefined;
  const method = request.method ?? 'GET';
  const isSafe = SAFE_METHODS.has(method);
  const passed = await client.send(
    {
      url,
      method,
      lines: (persists) => {
        const lines = requestLines(request, url.host, persists);
        return front?.introduce(lines) ?? lines;
      },
      mayRepeat: isSafe && !hasBody(request) && leaves === undefined,
      onInterim: (interim) => sendInterim(interim, request, response),
      ...(hasBody(request) ? { body: request } : {}),
    },
    outlet.signal,
  );
  const { reply } = passed;
  const status = reply.statusCode ?? 0;
  if (passed.connection === undefined && !isFinal(reply)) {
    passed.end();
    throw new P2PError('UPSTREAM_MISMATCHED', `${url.host} answered ${status}, which ends no request`);
  }
  // Before the client sees the reply: it may ask at once.
  if (!isSafe && status < 400) await reader.invalidate(address);
  noteRight(reader.access, address, request, reply);
  const lines = replyLines(reply, request).map((pair) => front?.translate(pair) ?? pair);
  if (passed.connection !== undefined) {
    if (leaves === undefined) {
      passed.end();
      throw new P2PError('UPSTREAM_MISMATCHED', `${url.host} switched protocols unasked`);
    }
    leaves.forget();
    return switchOver(reply, passed.connection, response, lines);
  }
  response.writeHead(status, reply.statusMessage, lines.flat());
  try {
    if (mayHaveBody(reply, method)) await outlet.relay(bodyOf(reply, outlet.signal));
    else reply.resume();
    response.addTrailers(trailersOf(reply));
    response.end();
  } finally {
    passed.end();
  }
}

/** Whether this may be said again: Node reads any three digits, and words that it would not write. */
const isFinal = ({ statusCode = 0, statusMessage = '' }: IncomingMessage): boolean =>
  statusCode >= 200 && !/[^\t\x20-\x7e\x80-\xff]/.test(statusMessage);

const bodyOf = (reply: IncomingMessage, signal: AbortSignal): Pick<ReplyBody, 'read'> => ({
  async read(sink) {
    try {
      for await (const piece of reply as AsyncIterable<Buffer>) await sink(piece);
    } catch (cause) {
      signal.throwIfAborted();
      throw new P2PError('UPSTREAM_TRUNCATED', `the transfer broke (${(cause as Error).message})`, { cause });
    }
  },
});

/** RFC 9110 §15.2: 1xx replies are for the client, unless its HTTP is older than they are. */
function sendInterim(
  { statusCode, statusMessage, rawHeaders }: Interim,
  request: IncomingMessage,
  response: ServerResponse,
) {
  // A reply that is not the connection's turn has no socket.
  if (request.httpVersion !== '1.1' || response.headersSent || response.socket === null) return;
  // Nothing keeps an origin from sending them without end: a client that does not read is spared the rest.
  if (response.socket.writableNeedDrain) return;
  // Known to Node, which would close the connection of a client that still waits for it.
  if (statusCode === 100) response.writeContinue();
  else response.socket.write(formatHead(statusCode, statusMessage, pairsOf(rawHeaders)));
}

/** Gives the client's connection and the origin's to each other: they do not speak HTTP any more. */
async function switchOver(
  reply: IncomingMessage,
  connection: Duplex,
  response: ServerResponse,
  lines: HeaderPairs,
): Promise<void> {
  const client = response.req.socket;
  response.statusCode = 101;
  const switching: HeaderPairs = [
    ...lines,
    ['Upgrade', reply.headers.upgrade ?? ''],
    ['Connection', 'Upgrade'],
  ];
  client.write(formatHead(101, reply.statusMessage ?? '', switching));
  // Either side may end or break it at any time.
  await join(client, connection).catch(() => undefined);
}
