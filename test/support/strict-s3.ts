import type { IncomingMessage } from 'node:http';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type Front, type FrontFault, type Misdeed, startFront } from './front.ts';
import { AWS_RATES, judgeSignature, type PrefixRates, PrefixThrottle, s3Error } from './s3-rules.ts';
import type { S3Server } from './s3-server.ts';

/** A real S3 server behind the rules that AWS has and it lacks; all of them can be changed while it runs. */
export interface StrictS3 extends S3Server {
  /** What it was asked, in order. */
  readonly hits: Front['hits'];
  /** In order; the first that fits a request is done to it. `s3Error` makes those of S3 itself. */
  faults: readonly FrontFault[];
  /** Its clock against this machine's. */
  clockAheadMs: number;
  /** How far a signature's time may be from its clock. */
  toleranceMs: number;
  rates: PrefixRates;
  /** When each session ends, by its token, milliseconds since the epoch. */
  readonly sessions: Map<string, number>;
  /** What comes of If-Match and If-None-Match on a PUT: AWS keeps them, other stores ignore or refuse them. */
  conditions: 'kept' | 'ignored' | 'refused';
  /** Forgets the hits. */
  forget(): void;
}

// Amazon S3 API reference, RequestTimeTooSkewed.
const TOLERANCE_MS = 15 * 60_000;

/** Starts strict rules before a real server, which goes on running when this value ends. */
export async function startStrictS3(server: S3Server): Promise<StrictS3> {
  const throttle = new PrefixThrottle();
  const now = () => Date.now() + strict.clockAheadMs;
  const front = await startFront(server.endpoint, { judge, now });
  const strict: StrictS3 = {
    ...server,
    endpoint: front.url,
    hits: front.hits,
    get faults() {
      return front.faults;
    },
    set faults(faults) {
      front.faults = faults;
    },
    clockAheadMs: 0,
    toleranceMs: TOLERANCE_MS,
    rates: AWS_RATES,
    sessions: new Map(),
    conditions: 'kept',
    forget: () => front.forget(),
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  };
  return strict;

  async function judge(asked: IncomingMessage): Promise<Misdeed | undefined> {
    const { method = '', url = '', headers } = asked;
    const refused = (code: Parameters<typeof s3Error>[0]): Misdeed => {
      const error = s3Error(code);
      return { ...error, headers: { ...error.headers, date: new Date(now()).toUTCString() } };
    };
    const fault = judgeSignature(asked, now(), strict.toleranceMs, strict.sessions);
    if (fault !== undefined) return refused(fault);
    if (!throttle.admits(method, url, strict.rates, now())) return refused('SlowDown');
    const isConditional = 'if-match' in headers || 'if-none-match' in headers;
    if (method !== 'PUT' || !isConditional || strict.conditions === 'kept') return undefined;
    return strict.conditions === 'refused' ? refused('NotImplemented') : putAnyway(server, asked);
  }
}

/** Puts an object as if no condition had been asked for; anew, since the condition is part of what was signed. */
async function putAnyway(server: S3Server, asked: IncomingMessage): Promise<Misdeed> {
  const pieces: Buffer[] = [];
  for await (const piece of asked as AsyncIterable<Buffer>) pieces.push(piece);
  const [, bucket = '', ...key] = new URL(asked.url ?? '', server.endpoint).pathname.split('/');
  const client = new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
  });
  try {
    const Key = decodeURIComponent(key.join('/'));
    const put = await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Buffer.concat(pieces) }));
    return { status: 200, headers: { etag: put.ETag ?? '' }, body: '' };
  } finally {
    client.destroy();
  }
}
