import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Door, eventOf, headBytes } from './lambda/event.ts';
import { Instance, type Outcome } from './lambda/instance.ts';
import { type DoorReply, replyOf, type Trouble, troubleReply } from './lambda/reply.ts';
import { tempDir } from './temp-dir.ts';

// AWS Lambda quotas, "Invocation payload": 6 MiB, and a little more for what surrounds a reply.
const MAX_REQUEST_BYTES = 6_291_456;
const MAX_REPLY_BYTES = 6_291_556;
// API Gateway HTTP API quotas, "Total combined size of request line and header values".
const MAX_HEAD_BYTES = 10_240;

/** How a function is deployed. */
export interface FunctionUrlOptions {
  /** Default: its own URL. */
  readonly door?: Door;
  /** An ES module with a `handler`. Default: the bundle of `functions/read.ts`, which `npm run build` makes. */
  readonly bundle?: string;
  /** Its environment, by the folder that is an instance's own /tmp. */
  readonly env?: (tmp: string) => Readonly<Record<string, string>>;
  /** Most instances at a time: its reserved concurrency. Default: 1,000. */
  readonly concurrency?: number;
  /** Default: 29 s. */
  readonly timeoutMs?: number;
}

/** One call as the platform bills it. */
export interface Call {
  readonly pid: number;
  readonly isCold: boolean;
  readonly outcome: Outcome['kind'];
  readonly status: number;
  /** Of the payload that the function returned: JSON, with bodies in base64. */
  readonly payloadBytes: number;
  /** Of the body that the client is sent. */
  readonly bodyBytes: number;
}

/** A function behind its URL or an HTTP API, as strict as AWS. */
export interface FunctionUrl extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  /** Calls answered so far, in that order. */
  readonly calls: readonly Call[];
  /** Instances started so far. */
  readonly coldStarts: number;
  /** Those alive, the busy and the frozen. */
  readonly instances: readonly Instance[];
  /** What all instances have printed. */
  output(): string;
  /** Calls the function with an event, as another service does; an instance to itself, or `undefined` when there is none. */
  invoke(event: object): Promise<Outcome | undefined>;
  /** Ends the frozen instances, as the platform does at will. */
  retire(): Promise<void>;
}

const READ = fileURLToPath(new URL('../../.esbuild/read.js', import.meta.url));

/**
 * Deploys a function on this machine, on a free port of 127.0.0.1. Each call has an instance to itself: a frozen one,
 * the last used first, else a new one. What AWS refuses is refused, nothing is made good: no range is cut out of a
 * 200, and the size of the payload, the headers, the time and the number of instances are limited.
 */
export async function startFunctionUrl(options: FunctionUrlOptions = {}): Promise<FunctionUrl> {
  const { door = 'function-url', bundle = READ, env = () => ({}) } = options;
  const { concurrency = 1_000, timeoutMs = 29_000 } = options;
  const dir = await tempDir();
  const all: Instance[] = [];
  const frozen: Instance[] = [];
  const calls: Call[] = [];

  const server = createServer((request, response) => {
    answer(request).then(
      (reply) => send(request, response, reply),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const live = () => all.filter(({ hasEnded }) => !hasEnded);

  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    get coldStarts() {
      return all.length;
    },
    get instances() {
      return live();
    },
    output: () => all.map((instance) => instance.output()).join(''),
    invoke: async (event) => (await run(event, randomUUID()))?.outcome,
    async retire() {
      await Promise.all(frozen.splice(0).map((instance) => instance.end()));
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all(all.map((instance) => instance.end()));
      await dir[Symbol.asyncDispose]();
    },
  };

  async function answer(request: IncomingMessage): Promise<DoorReply> {
    const body = await read(request);
    const refuse = (trouble: Trouble) => troubleReply(door, trouble);
    if (door === 'http-api' && headBytes(request) > MAX_HEAD_BYTES) return refuse('headers too large');
    const requestId = randomUUID();
    const event = body && eventOf(door, request, body, requestId);
    const isTooLarge = event === undefined || byteLength(JSON.stringify(event)) > MAX_REQUEST_BYTES;
    if (isTooLarge) return refuse('request too large');
    const ran = await run(event, requestId);
    if (ran === undefined) return refuse('throttled');
    const { outcome, pid, isCold } = ran;
    const reply = judged(outcome);
    const payloadBytes = outcome.kind === 'returned' ? byteLength(outcome.payload) : 0;
    calls.push({
      pid,
      isCold,
      outcome: outcome.kind,
      status: reply.status,
      payloadBytes,
      bodyBytes: reply.body.length,
    });
    return reply;
  }

  async function run(event: object, awsRequestId: string) {
    const instance = await warm();
    if (instance === undefined) return undefined;
    const isCold = instance.calls === 0;
    const outcome = await instance.call(event, { awsRequestId, functionName: NAME }, timeoutMs);
    if (!instance.hasEnded && outcome.kind !== 'ended') frozen.push(instance);
    return { outcome, pid: instance.pid, isCold };
  }

  function judged(outcome: Outcome): DoorReply {
    if (outcome.kind === 'late') return troubleReply(door, 'timed out');
    const isWhole = outcome.kind === 'returned' && byteLength(outcome.payload) <= MAX_REPLY_BYTES;
    return (isWhole ? replyOf(outcome.payload) : undefined) ?? troubleReply(door, 'failed');
  }

  /** `undefined` when there are as many instances as there may be. */
  async function warm(): Promise<Instance | undefined> {
    for (let last = frozen.pop(); last !== undefined; last = frozen.pop()) if (!last.hasEnded) return last;
    if (live().length >= concurrency) return undefined;
    const tmp = join(dir.path, String(all.length));
    const instance = new Instance(bundle, { ...platformEnv(tmp), ...env(tmp) });
    all.push(instance);
    await mkdir(tmp);
    return instance;
  }
}

const NAME = 'dadip2p-test-read';

/** What the platform sets, as far as Node and the SDK look at it. */
const platformEnv = (tmp: string): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  TZ: ':UTC',
  LANG: 'en_US.UTF-8',
  TMPDIR: tmp,
  AWS_REGION: 'us-east-1',
  AWS_LAMBDA_FUNCTION_NAME: NAME,
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
});

const byteLength = (text: string): number => Buffer.byteLength(text);

/** The body; `undefined` when it is larger than any door takes. */
async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size <= MAX_REQUEST_BYTES) pieces.push(piece);
  }
  return size <= MAX_REQUEST_BYTES ? Buffer.concat(pieces) : undefined;
}

function send(request: IncomingMessage, response: ServerResponse, reply: DoorReply): void {
  const { status, headers, body } = reply;
  const length = status === 304 || status === 204 ? {} : { 'content-length': body.length };
  response.writeHead(status, { ...headers, ...length } as Record<string, string | string[] | number>);
  response.end(request.method === 'HEAD' ? undefined : body);
}
