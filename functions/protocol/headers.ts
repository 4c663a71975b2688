import { type HeaderLines, P2PError } from './errors.ts';

/** Request: space-separated chain of the agents that forwarded it, the asker last. */
export const AGENT_HEADER = 'x-p2p-agent';
/** Reply: address of the node that served it; absent when the origin did. */
export const SOURCE_HEADER = 'x-p2p-source';
/** Reply: `size=…; chunk=…; key=…`, so that a peer needs no second request. */
export const BLOB_HEADER = 'x-p2p-blob';
/** Reply to an agent: for how long what it was asked with may read, see `protocol/grant.ts`. Request to a sibling: see `GrantSignatures`. */
export const ACCESS_HEADER = 'x-p2p-access';
/** Reply, header or trailer: signs the Content-Digest of a chunk, see `ChunkSignatures`. */
export const SIGNATURE_HEADER = 'x-p2p-signature';
/** Reply: our error code, so that a peer tells a refusal of ours from the origin's. */
export const ERROR_HEADER = 'x-p2p-error';

/** Reply to a node: the digest of the whole chunk that these bytes are the rest of, as Content-Digest would say it. */
export const CHUNK_DIGEST_HEADER = 'x-p2p-chunk-digest';
/**
 * Request, of any value: who asks hears any number of interim replies that it is being worked on. DadiP2P's agents (Go) give
 * up after five.
 */
export const WORDS_HEADER = 'x-p2p-words';
/** Request: how often it was sent on to another node by 307. */
export const HOPS_HEADER = 'x-p2p-hops';

/** Our name in `Via` and `Cache-Status`. */
export const PROXY_NAME = 'dadip2p';

// Eight hops reach 4^8 nodes at the default fan-out: more is a loop that the chain did not show.
const MAX_HOPS = 8;

/**
 * What of a client's request may reach the origin when its reply is passed through as it is; everything else is
 * between the client and us. Cookies are not among them.
 */
const FORWARDED: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'authorization',
  'cache-control',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'traceparent',
  'tracestate',
  'user-agent',
]);

/** Those of a client's headers that may reach the origin. Names must be lower-case. */
export function forwardedHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): HeaderLines {
  const kept: HeaderLines = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && FORWARDED.has(name)) kept[name] = value;
  }
  return kept;
}

// RFC 9110 §7.6.1 and the connection headers older clients still send.
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The value of a header that may be repeated: its lines joined as RFC 9110 §5.3 allows. */
export function headerValue(headers: Readonly<Record<string, string | string[] | undefined>>, name: string) {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

// What `Connection` must not name (RFC 9110 §7.6.1): without them the body that follows is read as the next request.
const NEVER_BY_HOP = new Set(['content-length', 'host']);

/** Says of a lower-case name whether it is between two neighbours only, in a message with this `Connection`. */
export function hopByHop(connection: string | undefined): (name: string) => boolean {
  const named = new Set((connection ?? '').toLowerCase().split(/[ \t]*,[ \t]*/));
  return (name) => HOP_BY_HOP.has(name) || (named.has(name) && !NEVER_BY_HOP.has(name));
}

/** The headers without hop-by-hop ones, those named by `Connection` included. Names must be lower-case. */
export function endToEnd(headers: Readonly<Record<string, string | string[] | undefined>>): HeaderLines {
  const isHop = hopByHop(headerValue(headers, 'connection'));
  const kept: HeaderLines = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !isHop(name)) kept[name] = value;
  }
  return kept;
}

/**
 * The chain of agents after adding `self`.
 *
 * @throws P2PError LOOP_DETECTED when `self` is in it already, or it is longer than eight.
 */
export function extendChain(chain: string | undefined, self: string): string {
  // A header that was sent twice arrives joined by commas.
  const agents = (chain ?? '').split(/[ ,]+/).filter((agent) => agent !== '');
  if (agents.includes(self) || agents.length >= MAX_HOPS) {
    throw new P2PError('LOOP_DETECTED', `the request came back to ${self}; check RootList for a circle`);
  }
  return [...agents, self].join(' ');
}

/**
 * The end of a chain, as long as the next node still takes: for a fetch that many wait for, which the claims of
 * the one who happened to ask first must not get refused. A circle of up to seven nodes still shows in it.
 */
export const capChain = (chain: string): string =>
  chain
    .split(' ')
    .slice(1 - MAX_HOPS)
    .join(' ');

/** What a node says of a blob: sizes in bytes, `key` as in its cache. */
export interface BlobLine {
  readonly size: number;
  readonly chunkBytes: number;
  readonly key: string;
}

/** `size=10; chunk=4194304; key=sha256:…` */
export const formatBlobLine = (line: BlobLine): string =>
  `size=${line.size}; chunk=${line.chunkBytes}; key=${line.key}`;
