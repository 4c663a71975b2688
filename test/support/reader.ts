import * as assert from 'uvu/assert';
import type { AccessPolicy } from '../../functions/blob/access/access.ts';
import { credentialOf } from '../../functions/blob/access/credential.ts';
import type { Ask } from '../../functions/blob/ask.ts';
import type { Blob } from '../../functions/blob/blob.ts';
import { KiB, MiB } from '../../functions/blob/chunk.ts';
import type { CheckOutcome, ReaderEvents, ReaderFailure } from '../../functions/blob/events.ts';
import type { Leases } from '../../functions/blob/leases.ts';
import type { LookAhead } from '../../functions/blob/look-ahead.ts';
import { MemoryStore } from '../../functions/blob/memory.ts';
import { BlobReader } from '../../functions/blob/reader.ts';
import type { ChunkStore } from '../../functions/blob/store.ts';
import type { Upstream } from '../../functions/blob/upstream.ts';
import { parseAddress } from '../../functions/protocol/address.ts';
import { headerValue } from '../../functions/protocol/headers.ts';
import type { Span } from '../../functions/protocol/range.ts';
import { HttpClient, type HttpLimits } from '../../functions/service/http-client.ts';
import { OriginUpstream } from '../../functions/service/origin.ts';
import { OriginAccess } from '../../functions/service/origin-access.ts';
import { Rules } from '../../functions/service/rules.ts';
import { PATIENCE_MS } from './until.ts';

/** What a reader has told its watcher. */
export interface Told extends ReaderEvents {
  readonly checks: CheckOutcome[];
  readonly failures: { readonly event: ReaderFailure; readonly fields: Readonly<Record<string, unknown>> }[];
  /** Bytes and chunks served, by where they came from. */
  readonly from: Map<string, { bytes: number; chunks: number }>;
}

export function told(): Told {
  const failures: Told['failures'] = [];
  const from: Told['from'] = new Map();
  const checks: Told['checks'] = [];
  return {
    checks,
    failures,
    from,
    checked: (outcome) => checks.push(outcome),
    failed: (event, fields) => failures.push({ event, fields }),
    served(name, bytes, chunks) {
      const sum = from.get(name) ?? { bytes: 0, chunks: 0 };
      from.set(name, { bytes: sum.bytes + bytes, chunks: sum.chunks + chunks });
    },
  };
}

/** The origins of a test, as a source of misses. */
export interface TestUpstream extends AsyncDisposable {
  readonly upstream: Upstream;
  readonly http: HttpClient;
}

/** Asks real origins on 127.0.0.1; the pauses between attempts are as short as they get. */
export function originUpstream(limits: Partial<HttpLimits> = {}): TestUpstream {
  const access = new OriginAccess(['127.0.0.1']);
  const http = new HttpClient({
    connectMs: PATIENCE_MS,
    firstByteMs: 5_000,
    idleMs: 5_000,
    ...limits,
    connections: 64,
    lookup: access.lookup,
  });
  return {
    upstream: new OriginUpstream({ http, access, rules: new Rules([]), random: () => 0 }),
    http,
    [Symbol.asyncDispose]: () => http.close(),
  };
}

export interface ReaderOptions {
  readonly store?: ChunkStore;
  readonly chunkBytes?: number;
  readonly lookAhead?: LookAhead;
  readonly limits?: Partial<HttpLimits>;
  readonly upstream?: Upstream;
  readonly access?: Partial<AccessPolicy>;
  readonly leases?: Leases;
  readonly now?: () => number;
}

/** A reader over memory and real origins, and short ways to read by it. */
export interface TestReader extends AsyncDisposable {
  readonly reader: BlobReader;
  readonly told: Told;
  ask(url: string, part?: Partial<Ask>): Ask;
  /** The blob, which must be one that may be cached. */
  open(url: string, part?: Partial<Ask>): Promise<Blob>;
  /** The bytes of a span, else of the whole. */
  read(url: string, span?: Span, part?: Partial<Ask>): Promise<Buffer>;
}

/** 64 KiB: small enough to have many chunks, large enough to hold the tail that is kept back. */
export const CHUNK = 64 * KiB;

export function openReader({
  store = new MemoryStore({ maxBytes: 64 * MiB }),
  chunkBytes = CHUNK,
  lookAhead = { perRead: 4, total: 16 },
  limits = {},
  upstream,
  access = {},
  leases,
  now = Date.now,
}: ReaderOptions = {}): TestReader {
  const events = told();
  const origins = originUpstream(limits);
  const reader = new BlobReader({
    store,
    upstream: upstream ?? origins.upstream,
    chunkBytes,
    lookAhead,
    events,
    leases,
    access: { ttlMs: 300_000, onOutage: 'deny', check: true, ...access },
    now,
    poison: true,
    sumsAll: true,
  });
  const test: TestReader = {
    reader,
    told: events,
    ask(url, part = {}) {
      const address = parseAddress(url);
      const authorization = headerValue(part.headers ?? {}, 'authorization');
      const credential = credentialOf(address, authorization);
      return { address, headers: {}, first: 0, wantsBody: true, credential, doubtful: false, ...part };
    },
    async open(url, part) {
      const blob = await reader.open(test.ask(url, part));
      assert.ok(blob, `${url} should be cacheable`);
      return blob as Blob;
    },
    async read(url, span, part) {
      const blob = await test.open(url, { first: span?.start ?? 0, ...part });
      return readSpan(blob, span);
    },
    async [Symbol.asyncDispose]() {
      await reader.close();
      await origins[Symbol.asyncDispose]();
    },
  };
  return test;
}

/** The bytes of a span, else of the whole. */
export async function readSpan(
  blob: Blob,
  span?: Span,
  signal = AbortSignal.timeout(PATIENCE_MS),
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of blob.read(span ?? { start: 0, end: blob.facts.size }, signal)) {
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

/** What of a blob came before a read failed, and what it failed with. */
export async function readBroken(blob: Blob): Promise<{ bytes: Buffer; error: unknown }> {
  const pieces: Buffer[] = [];
  try {
    const span = { start: 0, end: blob.facts.size };
    for await (const piece of blob.read(span, AbortSignal.timeout(PATIENCE_MS)))
      pieces.push(Buffer.from(piece));
  } catch (error) {
    return { bytes: Buffer.concat(pieces), error };
  }
  return { bytes: Buffer.concat(pieces), error: undefined };
}

/** A path that names its content by digest, as a registry's blobs do. */
export const digestPath = (sha256Hex: string): string => `/v2/img/blobs/sha256:${sha256Hex}`;
