import type { HeaderLines } from '../protocol/errors.ts';

/** The head of a reply whose body has a known length. */
export interface ReplyHead {
  readonly status: number;
  /** Lower-case names; a repeated header is a list. */
  readonly headers: HeaderLines;
  /** Bytes of the body. */
  readonly length: number;
  readonly keepAlive: boolean;
}

const STATUS_LINE = /^HTTP\/1\.1 ([2-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
// RFC 9110 §5.1 and §5.5: a token, a colon without space before it, visible text.
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;

/**
 * Reads the head of an HTTP/1.1 reply, given without its last empty line. `undefined` for anything that is not
 * plain: another version, 1xx, a body without exactly one Content-Length or with a transfer coding, folded or
 * malformed lines. Strict where parsers differ, for what two of them read differently can be smuggled
 * (RFC 9112 §11).
 */
export function parseHead(text: string): ReplyHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = STATUS_LINE.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers: HeaderLines = {};
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    add(headers, name.toLowerCase(), value);
  }
  const length = headers['content-length'];
  const hasPlainBody =
    typeof length === 'string' && /^\d{1,15}$/.test(length) && !('transfer-encoding' in headers);
  if (!hasPlainBody || status === '204' || status === '304') return undefined;
  const connection = String(headers.connection ?? '').toLowerCase();
  return {
    status: Number(status),
    headers,
    length: Number(length),
    keepAlive: !/\bclose\b/.test(connection),
  };
}

function add(headers: HeaderLines, name: string, value: string): void {
  const present = headers[name];
  if (present === undefined) headers[name] = value;
  else if (Array.isArray(present)) present.push(value);
  else headers[name] = [present, value];
}
