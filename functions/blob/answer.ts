import { type ErrorCode, type HeaderLines, P2PError } from '../protocol/errors.ts';
import { ERROR_HEADER, endToEnd, headerValue } from '../protocol/headers.ts';
import { parseContentRange, type Span } from '../protocol/range.ts';
import { KiB } from './chunk.ts';
import type { Reply, Source } from './upstream.ts';

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

/** What a reply came from, as far as reading it takes. */
type Replier = Pick<Source, 'name' | 'kind'>;

// What a node of ours says of the blob, by its own error page.
const OF_THE_BLOB: ReadonlySet<string> = new Set<ErrorCode>(['RANGE_UNSATISFIABLE', 'PRECONDITION_FAILED']);
// What it may not ask for anyone: passed on with its explanation, for nobody else is to be asked.
const DENIED: ReadonlySet<string> = new Set<ErrorCode>(['ORIGIN_NOT_ALLOWED', 'RULE_DENIED']);

/**
 * What a node of ours refuses or fails with on its own account, the body then spent; `undefined` when the reply is
 * about the blob. The origin's refusals carry no code of ours (see `respondError`), so a node's are not taken for
 * them.
 */
export async function nodeFailure(reply: Reply, replier: Replier): Promise<P2PError | undefined> {
  const code = replier.kind === 'origin' ? undefined : headerValue(reply.headers, ERROR_HEADER);
  if (code === undefined || OF_THE_BLOB.has(code)) return undefined;
  if (DENIED.has(code)) return refusal(reply, replier, code as ErrorCode);
  reply.body.discard();
  const made = code === 'LOOP_DETECTED' ? code : 'UPSTREAM_FAILED';
  return new P2PError(made, `${replier.name} answered ${reply.status} ${code}`);
}

/**
 * Reads the head of a reply. Refusals of the origin (4xx) are thrown with the reply's own status, headers and
 * body, for they are the client's to see; what a server or a node of ours fails with, as a reason to ask elsewhere.
 *
 * @throws P2PError UPSTREAM_REFUSED, UPSTREAM_FAILED, UPSTREAM_MISMATCHED, LOOP_DETECTED, ORIGIN_NOT_ALLOWED,
 * RULE_DENIED; the body is then spent.
 */
export async function readAnswer(reply: Reply, source: Replier): Promise<Answer> {
  const { status, headers } = reply;
  if (status === 206) return readPart(reply, source);
  if (status === 200) return { kind: 'whole', size: lengthOf(headers) };
  if (status === 304 || status === 416) {
    reply.body.discard();
    return { kind: status === 304 ? 'unchanged' : 'beyond' };
  }
  const failure = await nodeFailure(reply, source);
  if (failure !== undefined) throw failure;
  if (status >= 400 && status < 500 && status !== 408) throw await refusal(reply, source, 'UPSTREAM_REFUSED');
  reply.body.discard();
  throw new P2PError('UPSTREAM_FAILED', `${source.name} answered ${status}`);
}

function readPart(reply: Reply, source: Replier): Answer {
  const header = headerValue(reply.headers, 'content-range');
  const range = parseContentRange(header);
  const length = lengthOf(reply.headers);
  if (range?.span === undefined || range.total === undefined) {
    reply.body.discard();
    throw new P2PError('UPSTREAM_MISMATCHED', `${source.name} answered 206 with Content-Range "${header}"`);
  }
  if (length !== undefined && length !== range.span.end - range.span.start) {
    reply.body.discard();
    throw new P2PError('UPSTREAM_MISMATCHED', `${source.name} sent Content-Length ${length} for "${header}"`);
  }
  return { kind: 'part', span: range.span, size: range.total };
}

async function refusal(reply: Reply, source: Replier, code: ErrorCode): Promise<P2PError> {
  const pieces: Uint8Array[] = [];
  let kept = 0;
  await reply.body.read((piece) => {
    if (kept < MAX_REFUSAL_BYTES) pieces.push(Uint8Array.from(piece.subarray(0, MAX_REFUSAL_BYTES - kept)));
    kept += piece.length;
  });
  const { 'content-length': _, ...headers } = endToEnd(reply.headers);
  return new P2PError(code, `${source.name} answered ${reply.status}`, {
    status: reply.status,
    headers,
    body: Buffer.concat(pieces),
  });
}

function lengthOf(headers: HeaderLines): number | undefined {
  const text = headerValue(headers, 'content-length');
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined;
}
