import type { IncomingMessage, ServerResponse } from 'node:http';
import { credentialOf } from '../blob/access/credential.ts';
import type { Ask } from '../blob/ask.ts';
import type { Address } from '../protocol/address.ts';
import type { HeaderLines } from '../protocol/errors.ts';
import { AGENT_HEADER, capChain, headerValue, PROXY_NAME } from '../protocol/headers.ts';
import { MANIFEST_ACCEPT } from '../protocol/manifest.ts';
import type { RangeSpec } from '../protocol/range.ts';
import type { RequestTrace } from './traces.ts';

/** One request for a blob, whichever way it came in. */
export interface BlobRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly address: Address;
  /** The node of ours that asks, which serves it on to others; `undefined` for a client. */
  readonly node?: string | undefined;
  /** What it shows of a right that it has seen its own client prove. */
  readonly shown?: Ask['shown'];
  /** X-P2P-Agent for the next hop; undefined where this node is the last. */
  readonly chain: string | undefined;
  /** Where it is noted what this request was given. */
  readonly trace?: RequestTrace | undefined;
  /** Told, before there is anything to give, that somebody who can be waited for is getting it. */
  readonly heard?: (() => void) | undefined;
  /** Lower-case, put over the headers of a reply that comes out of the cache or goes into it. */
  readonly headers?: HeaderLines;
}

/** What a request asks a reader for; `specs` are the ranges that it asks for, if it asks for any. */
export function askOf(
  { request, address, chain, node, shown, trace, heard }: BlobRequest,
  specs: readonly RangeSpec[] | undefined,
): Ask {
  const { headers, method } = request;
  return {
    address,
    headers: {
      'user-agent': PROXY_NAME,
      ...(address.isManifest ? { accept: MANIFEST_ACCEPT } : {}),
      ...(chain === undefined ? {} : { [AGENT_HEADER]: capChain(chain) }),
      ...(headers.authorization === undefined ? {} : { authorization: headers.authorization }),
      ...traceHeaders(request, trace),
    },
    trace,
    heard,
    first: method === 'HEAD' && !address.isManifest ? undefined : firstByte(specs),
    wantsBody: method !== 'HEAD',
    relays: node !== undefined && takesTrailers(request),
    credential: credentialOf(address, headers.authorization),
    shown,
    isPassedOn: AGENT_HEADER in headers,
    onlyCached: node !== undefined && /\bonly-if-cached\b/.test(headers['cache-control'] ?? ''),
    // A whole blob is checked again only for a node of ours, which has seen it fail.
    doubtful:
      /\bno-cache\b/.test(headers['cache-control'] ?? '') &&
      (address.digest === undefined || node !== undefined),
  };
}

/** The trace of a request, for whoever is asked on its behalf. */
export function traceHeaders({ headers }: IncomingMessage, trace: RequestTrace | undefined): HeaderLines {
  const traceparent = trace?.traceparent ?? headerValue(headers, 'traceparent');
  const tracestate = headerValue(headers, 'tracestate');
  return {
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
}

/** Where a read begins, so that what is asked for first brings it along. A manifest's HEAD is followed by its GET. */
function firstByte(specs: readonly RangeSpec[] | undefined): number | undefined {
  const first = specs?.[0];
  if (first === undefined) return 0;
  return 'first' in first ? first.first : undefined;
}

/** Whether whoever asks reads trailers (RFC 9110 §10.1.4), by which nodes tell each other what they have sent. */
export const takesTrailers = ({ headers }: IncomingMessage): boolean =>
  /\btrailers\b/i.test(headerValue(headers, 'te') ?? '');

/** True when the reply is for the one client alone, and nothing of it to be shared. */
export const isForOneAlone = (asked: BlobRequest): boolean =>
  negotiates(asked) || hasCookies(asked.request) || isUnstored(asked);

/** True when what the client gets depends on its Accept (RFC 9110 §12.5.1). What a digest names does not. */
const negotiates = ({ address, request }: BlobRequest): boolean =>
  address.digest === undefined && (request.headers.accept ?? '*/*').trim() !== '*/*';

/** An event without cookies may still become a request with an empty header of them. */
export const hasCookies = ({ headers }: IncomingMessage): boolean => (headers.cookie ?? '') !== '';

/** True when a node of ours wants the origin's own word (RFC 9111 §5.2.1.5); clients are not to choose that for all. */
const isUnstored = ({ request, node }: BlobRequest): boolean =>
  node !== undefined && /\bno-store\b/.test(request.headers['cache-control'] ?? '');
