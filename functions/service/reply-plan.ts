import { randomBytes } from 'node:crypto';
import type { BlobFacts } from '../blob/facts.ts';
import type { HeaderLines } from '../protocol/errors.ts';
import { headerValue } from '../protocol/headers.ts';
import { formatContentRange, type RangeSpec, resolveRanges, type Span } from '../protocol/range.ts';

/** One part of a body: text to send, then the bytes of a span. */
export interface Part {
  readonly preamble: string;
  readonly span: Span;
}

/** What a reply will be made of, before any byte of it is there. */
export interface ReplyPlan {
  readonly status: 200 | 206;
  /** Content-Length, Content-Range or multipart Content-Type, Accept-Ranges. */
  readonly headers: HeaderLines;
  readonly parts: readonly Part[];
  readonly trailer: string;
  /** Bytes of the whole body. */
  readonly length: number;
}

/**
 * Plans the reply to a request for these ranges, or for the whole blob. One range is answered by itself, several
 * as multipart/byteranges in the order asked; ranges that overlap are answered by the whole blob, as RFC 9110
 * §14.2 allows, for that is less than their sum.
 *
 * @throws P2PError RANGE_UNSATISFIABLE.
 */
export function planReply(facts: BlobFacts, specs: readonly RangeSpec[] | undefined): ReplyPlan {
  // Of nothing there are no parts: a Content-Range cannot even say so.
  const spans = specs === undefined || facts.size === 0 ? undefined : resolveRanges(specs, facts.size);
  const [first] = spans ?? [];
  if (first !== undefined && spans?.length === 1) {
    const headers = framing(first.end - first.start);
    // Not spread: that costs a small range more than the rest of its plan.
    headers['content-range'] = formatContentRange(first, facts.size);
    return plain(206, first, headers);
  }
  if (spans === undefined || first === undefined || overlap(spans)) {
    return plain(200, { start: 0, end: facts.size }, framing(facts.size));
  }
  return multipart(spans, facts);
}

function plain(status: 200 | 206, span: Span, headers: HeaderLines): ReplyPlan {
  const length = span.end - span.start;
  const parts = length === 0 ? [] : [{ preamble: '', span }];
  return { status, headers, parts, trailer: '', length };
}

/** multipart/byteranges, RFC 9110 §14.6. */
function multipart(spans: readonly Span[], facts: BlobFacts): ReplyPlan {
  const boundary = randomBytes(16).toString('hex');
  const type = headerValue(facts.headers, 'content-type');
  const parts = spans.map((span, at) => ({
    span,
    preamble: [
      `${at === 0 ? '' : '\r\n'}--${boundary}`,
      ...(type === undefined ? [] : [`Content-Type: ${type}`]),
      `Content-Range: ${formatContentRange(span, facts.size)}`,
      '\r\n',
    ].join('\r\n'),
  }));
  const trailer = `\r\n--${boundary}--\r\n`;
  const length = parts.reduce(
    (sum, { preamble, span }) => sum + preamble.length + span.end - span.start,
    trailer.length,
  );
  const headers = { ...framing(length), 'content-type': `multipart/byteranges; boundary=${boundary}` };
  return { status: 206, headers, parts, trailer, length };
}

const framing = (length: number): HeaderLines => ({
  'content-length': String(length),
  'accept-ranges': 'bytes',
});

function overlap(spans: readonly Span[]): boolean {
  const sorted = [...spans].sort((a, b) => a.start - b.start);
  return sorted.some((span, at) => span.start < (sorted[at - 1]?.end ?? 0));
}
