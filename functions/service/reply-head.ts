import type { HeaderLines } from '../protocol/errors.ts';

/** The head of a reply whose body's end can be told. */
export interface ReplyHead {
  readonly status: number;
  /** Lower-case names; a repeated header is a list. */
  readonly headers: HeaderLines;
  /** Bytes of the body; `undefined` when it comes in chunks, of which the last says that it is (RFC 9112 §7.1). */
  readonly length: number | undefined;
  /** How long the connection may be idle and be used again, milliseconds; 0: not used again, `Infinity`: not said. */
  readonly restMs: number;
}

// On its way for that long a request might meet a closed connection.
const MARGIN_MS = 1_000;

const STATUS_LINE = /^HTTP\/1\.1 ([2-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
// RFC 9110 §5.1 and §5.5: a token, a colon without space before it, visible text. The space around that is no part of
// the pattern: in a line of nothing else it could be told from the text in so many ways that trying them took hours.
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/;

/**
 * Reads the head of an HTTP/1.1 reply, given without its last empty line. `undefined` for anything that is not
 * plain: another version, 1xx, a body with neither or both of one Content-Length and the transfer coding chunked,
 * folded or malformed lines. Strict where parsers differ, for what two of them read differently can be smuggled
 * (RFC 9112 §11).
 */
export function parseHead(text: string): ReplyHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = STATUS_LINE.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers = parseFields(lines);
  if (headers === undefined || status === '204' || status === '304') return undefined;
  const framing = framingOf(headers);
  if (framing === undefined) return undefined;
  return {
    status: Number(status),
    headers,
    length: framing.length,
    restMs: restOf(headers),
  };
}

/** Reads the lines of a head, or those behind a body; `undefined` when one is malformed. */
export function parseFields(lines: readonly string[]): HeaderLines | undefined {
  const headers: HeaderLines = {};
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    add(headers, name.toLowerCase(), withoutSpaceAround(value));
  }
  return headers;
}

function framingOf(headers: HeaderLines): Pick<ReplyHead, 'length'> | undefined {
  const { 'content-length': length, 'transfer-encoding': coding } = headers;
  if (coding !== undefined) {
    const isChunked = typeof coding === 'string' && coding.toLowerCase() === 'chunked';
    return isChunked && length === undefined ? { length: undefined } : undefined;
  }
  return typeof length === 'string' && /^\d{1,15}$/.test(length) ? { length: Number(length) } : undefined;
}

/** By its `Keep-Alive: timeout=`, in seconds (RFC 2068 §19.7.1.1), where a peer says how long it waits. */
function restOf({ connection, 'keep-alive': keepAlive }: HeaderLines): number {
  if (/\bclose\b/i.test(String(connection ?? ''))) return 0;
  const seconds = /\btimeout=(\d{1,9})\b/i.exec(String(keepAlive ?? ''))?.[1];
  return seconds === undefined ? Number.POSITIVE_INFINITY : Math.max(0, 1_000 * Number(seconds) - MARGIN_MS);
}

// Not `trim`, which takes more for space.
function withoutSpaceAround(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text[start])) start += 1;
  while (end > start && isSpace(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

const isSpace = (character: string | undefined): boolean => character === ' ' || character === '\t';

function add(headers: HeaderLines, name: string, value: string): void {
  // What every object has by that name is no header.
  const present = Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (present === undefined) headers[name] = value;
  else if (Array.isArray(present)) present.push(value);
  else headers[name] = [present, value];
}
