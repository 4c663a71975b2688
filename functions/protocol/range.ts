import { P2PError } from './errors.ts';

/** Bytes `[start, end)` of a blob whose size is known. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** One range as the client wrote it: `first-last` (inclusive), `first-`, or the last `suffix` bytes. */
export type RangeSpec =
  | { readonly first: number; readonly last: number | undefined }
  | { readonly suffix: number };

/** `Content-Range: bytes start-end/total`, half-open; `total` is undefined for `*`. */
export interface ContentRange {
  readonly span: Span | undefined;
  readonly total: number | undefined;
}

// More ranges than this in one request is an attack or a mistake (RFC 9110 §14.2 lets a server ignore them).
const MAX_RANGES = 32;

/**
 * Reads a Range header. `undefined` means "no usable Range": absent, another unit, malformed or excessive,
 * all of which RFC 9110 §14.2 says to ignore, so the whole blob is the answer.
 */
export function parseRange(header: string | undefined): RangeSpec[] | undefined {
  const list = header?.match(/^\s*bytes\s*=(.*)$/i)?.[1];
  if (list === undefined) return undefined;
  const specs: RangeSpec[] = [];
  for (const item of list.split(',')) {
    const text = item.trim();
    if (text === '') continue;
    const spec = parseSpec(text);
    if (spec === undefined || specs.length === MAX_RANGES) return undefined;
    specs.push(spec);
  }
  return specs.length > 0 ? specs : undefined;
}

function parseSpec(text: string): RangeSpec | undefined {
  const match = /^(\d*)\s*-\s*(\d*)$/.exec(text);
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '') return last === '' ? undefined : { suffix: offset(last) };
  if (last === '') return { first: offset(first), last: undefined };
  return Number(last) < Number(first) ? undefined : { first: offset(first), last: offset(last) };
}

// "To the end" is written by some as the largest 64-bit number; no blob reaches beyond what is exact here.
const offset = (digits: string): number => Math.min(Number(digits), Number.MAX_SAFE_INTEGER);

/**
 * What the ranges mean for a blob of `size` bytes, in the order asked; ranges beyond the end are dropped.
 *
 * @throws P2PError RANGE_UNSATISFIABLE when none is left (RFC 9110 §15.5.17), with its Content-Range.
 */
export function resolveRanges(specs: readonly RangeSpec[], size: number): Span[] {
  const spans: Span[] = [];
  for (const spec of specs) {
    const span =
      'suffix' in spec
        ? { start: Math.max(0, size - spec.suffix), end: size }
        : { start: spec.first, end: spec.last === undefined ? size : Math.min(size, spec.last + 1) };
    if (span.start < span.end) spans.push(span);
  }
  if (spans.length === 0) {
    throw new P2PError(
      'RANGE_UNSATISFIABLE',
      `no requested range lies within the ${size} bytes of the blob`,
      {
        headers: { 'Content-Range': `bytes */${size}` },
      },
    );
  }
  return spans;
}

/** `{ start: 0, end: 4 }` → `bytes=0-3`. */
export const formatRange = ({ start, end }: Span): string => `bytes=${start}-${end - 1}`;

/** `{ start: 0, end: 4 }` of 10 → `bytes 0-3/10`. */
export const formatContentRange = ({ start, end }: Span, total: number): string =>
  `bytes ${start}-${end - 1}/${total}`;

/** Reads a Content-Range header (RFC 9110 §14.4); `undefined` when it is absent or malformed. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = /^bytes (?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16}|\*)$/i.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [, first, last, size] = match;
  const total = size === '*' ? undefined : Number(size);
  if (first === undefined || last === undefined) return { span: undefined, total };
  const span = { start: Number(first), end: Number(last) + 1 };
  if (span.start >= span.end || (total !== undefined && span.end > total)) return undefined;
  return { span, total };
}
