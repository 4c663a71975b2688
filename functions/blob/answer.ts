import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import { ERROR_HEADER, endToEnd, headerValue } from '../protocol/headers.ts';
import { parseContentRange, type Span } from '../protocol/range.ts';
import { KiB } from './chunk.ts';
import type { Reply } from './upstream.ts';

/** What a reply means for a reader of ranges. */
export type Answer =
  /** 206: `span` of a blob of `size` bytes. */
  | { readonly kind: 'part'; readonly span: Span; readonly size: number }
  /** 200: the whole blob from its first byte; `size` is undefined when the reply does not say. */
  | { readonly kind: 'whole'; readonly size: number | undefined }
  /** 304: what we have still holds. */
  | { readonly kind: 'unchanged' }
  /** 416: nothing of what was asked exists. */
  | { readonly kind: 'beyond' };

// A refusal's body is an explanation for people; more than this is not passed on.
const MAX_REFUSAL_BYTES = 64 * KiB;

/**
 * Reads the head of a reply. Refusals (4xx) are thrown with the reply's own status, headers and body, for they
 * are the client's to see; a server's failure (5xx) is thrown as a reason to ask elsewhere.
 *
 * @throws P2PError UPSTREAM_REFUSED, UPSTREAM_FAILED, UPSTREAM_MISMATCHED, LOOP_DETECTED; the body is then spent.
 */
export async function readAnswer(reply: Reply, source: string): Promise<Answer> {
  const { status, headers } = reply;
  if (status === 206) return readPart(reply, source);
  if (status === 200) return { kind: 'whole', size: lengthOf(headers) };
  if (status === 304 || status === 416) {
    reply.body.discard();
    return { kind: status === 304 ? 'unchanged' : 'beyond' };
  }
  if (status >= 400 && status < 500 && status !== 408) throw await refusal(reply, source);
  reply.body.discard();
  const code = headerValue(headers, ERROR_HEADER) === 'LOOP_DETECTED' ? 'LOOP_DETECTED' : 'UPSTREAM_FAILED';
  throw new P2PError(code, `${source} answered ${status}`);
}

function readPart(reply: Reply, source: string): Answer {
  const header = headerValue(reply.headers, 'content-range');
  const range = parseContentRange(header);
  const length = lengthOf(reply.headers);
  if (range?.span === undefined || range.total === undefined) {
    reply.body.discard();
    throw new P2PError('UPSTREAM_MISMATCHED', `${source} answered 206 with Content-Range "${header}"`);
  }
  if (length !== undefined && length !== range.span.end - range.span.start) {
    reply.body.discard();
    throw new P2PError('UPSTREAM_MISMATCHED', `${source} sent Content-Length ${length} for "${header}"`);
  }
  return { kind: 'part', span: range.span, size: range.total };
}

async function refusal(reply: Reply, source: string): Promise<P2PError> {
  const pieces: Uint8Array[] = [];
  let kept = 0;
  await reply.body.read((piece) => {
    if (kept < MAX_REFUSAL_BYTES) pieces.push(Uint8Array.from(piece.subarray(0, MAX_REFUSAL_BYTES - kept)));
    kept += piece.length;
  });
  const { 'content-length': _, ...headers } = endToEnd(reply.headers);
  return new P2PError('UPSTREAM_REFUSED', `${source} answered ${reply.status}`, {
    status: reply.status,
    headers,
    body: Buffer.concat(pieces),
  });
}

function lengthOf(headers: HeaderLines): number | undefined {
  const text = headerValue(headers, 'content-length');
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined;
}
