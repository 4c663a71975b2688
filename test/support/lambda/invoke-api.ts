import type { IncomingMessage } from 'node:http';
import { type Listening, listen } from '../app.ts';
import type { FunctionUrl } from '../function-url.ts';

/** Lambda's own API, as far as a function calls functions by it. */
export interface InvokeApi extends AsyncDisposable {
  /** How an instance is told of it, and of credentials to sign its calls with. */
  readonly env: Readonly<Record<string, string>>;
  /** Events taken up so far, in that order. */
  readonly events: readonly object[];
  /** Calls that an instance did not return from. */
  readonly failures: number;
  /** Who is called; set once that runs. */
  deployed: FunctionUrl | undefined;
  /** Resolves when no event waits and none is being worked on. */
  settled(): Promise<void>;
}

// AWS Lambda quotas, "Asynchronous" payload, before it grew in October 2025.
const MAX_EVENT_BYTES = 262_144;
// Lambda developer guide, "Error handling for asynchronous invocation": twice more, after a minute and after two.
const TRIES = 3;

/** Starts it on a free port of 127.0.0.1. An event whose call fails is tried again, at once. */
export async function startInvokeApi(): Promise<InvokeApi> {
  const events: object[] = [];
  const working = new Set<Promise<void>>();
  let failures = 0;
  const server: Listening = await listen(async (request, response) => {
    const body = await read(request);
    const isInvoke = /^\/2015-03-31\/functions\/[^/]+\/invocations$/.test(request.url ?? '');
    const isSigned = (request.headers.authorization ?? '').startsWith('AWS4-HMAC-SHA256 ');
    const isEvent = request.headers['x-amz-invocation-type'] === 'Event';
    const status = !isInvoke || !isEvent ? 400 : !isSigned ? 403 : body.length > MAX_EVENT_BYTES ? 413 : 202;
    response.writeHead(status).end();
    if (status !== 202) return;
    const event = JSON.parse(body.toString());
    events.push(event);
    const work = call(event).finally(() => working.delete(work));
    working.add(work);
  });
  const api: InvokeApi = {
    env: {
      AWS_ENDPOINT_URL_LAMBDA: server.url,
      AWS_ACCESS_KEY_ID: 'test-access-key',
      AWS_SECRET_ACCESS_KEY: 'test-secret-key',
    },
    events,
    get failures() {
      return failures;
    },
    deployed: undefined,
    async settled() {
      while (working.size > 0) await Promise.all(working);
    },
    async [Symbol.asyncDispose]() {
      api.deployed = undefined;
      await server[Symbol.asyncDispose]();
      await api.settled();
    },
  };
  return api;

  async function call(event: object): Promise<void> {
    for (let tries = 0; tries < TRIES && api.deployed !== undefined; tries += 1) {
      const outcome = await api.deployed.invoke(event);
      if (outcome?.kind === 'returned') return;
      failures += 1;
    }
  }
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}
