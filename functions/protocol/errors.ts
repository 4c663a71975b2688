/** What a failed request may do next: nothing, ask another source, or start again with fresh facts. */
export type Retry = 'never' | 'elsewhere' | 'restart';

interface ErrorKind {
  readonly status: number;
  readonly expose: boolean;
  readonly retry: Retry;
}

const KINDS = {
  ADDRESS_INVALID: { status: 400, expose: true, retry: 'never' },
  REQUEST_AMBIGUOUS: { status: 400, expose: true, retry: 'never' },
  METHOD_NOT_ALLOWED: { status: 405, expose: true, retry: 'never' },
  /** A node that proves nothing, or a client from elsewhere, at a port that is for nodes of the cluster. */
  TOKEN_REFUSED: { status: 401, expose: true, retry: 'elsewhere' },
  KEY_REFUSED: { status: 403, expose: true, retry: 'never' },
  /** The API is for those who have a token, and none is configured. */
  API_CLOSED: { status: 403, expose: true, retry: 'never' },
  API_UNAUTHORIZED: { status: 401, expose: true, retry: 'never' },
  API_NOT_FOUND: { status: 404, expose: true, retry: 'never' },
  API_REQUEST_INVALID: { status: 400, expose: true, retry: 'never' },
  RULE_DENIED: { status: 403, expose: true, retry: 'never' },
  ORIGIN_NOT_ALLOWED: { status: 403, expose: true, retry: 'never' },
  /** Cached, and the origin that would have to say whether this client may read it cannot be asked. */
  ACCESS_UNPROVEN: { status: 403, expose: true, retry: 'never' },
  /** Asked for what is cached alone (RFC 9111 §5.2.1.7), and it is not. */
  NOT_CACHED: { status: 504, expose: true, retry: 'elsewhere' },
  /** Asked where the bytes are, of a node that can only send them. */
  NO_PLANS: { status: 406, expose: true, retry: 'elsewhere' },
  PRECONDITION_FAILED: { status: 412, expose: true, retry: 'never' },
  REPLY_TOO_LARGE: { status: 413, expose: true, retry: 'never' },
  RANGE_UNSATISFIABLE: { status: 416, expose: true, retry: 'never' },
  /** A request for another origin than the connection it came on was opened to. */
  MISDIRECTED: { status: 421, expose: true, retry: 'never' },
  LOOP_DETECTED: { status: 508, expose: true, retry: 'elsewhere' },
  UPSTREAM_UNREACHABLE: { status: 502, expose: true, retry: 'elsewhere' },
  UPSTREAM_TIMEOUT: { status: 504, expose: true, retry: 'elsewhere' },
  UPSTREAM_TRUNCATED: { status: 502, expose: true, retry: 'elsewhere' },
  /** A reply that does not answer what was asked: wrong Content-Range, wrong size, too many bytes. */
  UPSTREAM_MISMATCHED: { status: 502, expose: true, retry: 'elsewhere' },
  /** The origin itself refused (401, 403, 404, 429 …): carries its status, headers and body. */
  UPSTREAM_REFUSED: { status: 502, expose: true, retry: 'never' },
  /** A shared fetch failed by what the origin refused to somebody else on it: one's own answer is to be had by asking. */
  REFUSED_TO_OTHERS: { status: 502, expose: true, retry: 'restart' },
  UPSTREAM_FAILED: { status: 502, expose: true, retry: 'elsewhere' },
  UPSTREAMS_EXHAUSTED: { status: 502, expose: true, retry: 'never' },
  ORIGIN_CHANGED: { status: 502, expose: true, retry: 'restart' },
  CHUNK_CORRUPT: { status: 502, expose: false, retry: 'elsewhere' },
  DIGEST_MISMATCH: { status: 502, expose: true, retry: 'restart' },
  STORE_READ_FAILED: { status: 500, expose: false, retry: 'elsewhere' },
  STORE_WRITE_FAILED: { status: 500, expose: false, retry: 'elsewhere' },
  CONFIG_INVALID: { status: 500, expose: true, retry: 'never' },
  /** A file of another program that `setup` or `uninstall` does not dare to edit. */
  SETUP_REFUSED: { status: 500, expose: true, retry: 'never' },
  CLIENT_GONE: { status: 499, expose: false, retry: 'never' },
  /** Whoever has sent a node here knows others that have it. */
  OVERLOADED: { status: 503, expose: true, retry: 'elsewhere' },
  DRAINING: { status: 503, expose: true, retry: 'elsewhere' },
} as const satisfies Record<string, ErrorKind>;

/** The closed list of failures; callers and tests match on it, never on a message. */
export type ErrorCode = keyof typeof KINDS;

/** Header lines as they go on the wire; a repeated header is a list. */
export type HeaderLines = Record<string, string | string[]>;

interface ErrorDetails {
  readonly cause?: unknown;
  /** Overrides the status of the kind, for a refusal that is passed on as received. */
  readonly status?: number;
  readonly headers?: HeaderLines;
  /** The refusal's own body, passed on byte for byte. */
  readonly body?: Uint8Array;
}

/**
 * Every failure this project raises. `status`, `expose` and `headers` are the names by which Koa answers
 * an error, so no adapter stands between the place that throws and the reply.
 */
export class P2PError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly expose: boolean;
  readonly retry: Retry;
  readonly headers: HeaderLines;
  readonly body: Uint8Array | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'P2PError';
    this.code = code;
    const kind: ErrorKind = KINDS[code];
    this.status = details.status ?? kind.status;
    this.expose = kind.expose;
    this.retry = kind.retry;
    this.headers = details.headers ?? {};
    this.body = details.body;
  }
}

/** True when `error` is ours and has this code. */
export function hasCode(error: unknown, code: ErrorCode): error is P2PError {
  return error instanceof P2PError && error.code === code;
}
