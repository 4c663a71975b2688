import type { IncomingMessage, ServerResponse } from 'node:http';
import process from 'node:process';
import serverless from 'serverless-http';
import { MiB } from './blob/chunk.ts';
import { apiElsewhere } from './root/api-elsewhere.ts';
import { countCall } from './root/cost/count-call.ts';
import { openRoot, type Root } from './root/root.ts';
import { loadSettings } from './service/config/load.ts';
import { createLog } from './service/log.ts';
import { Metrics } from './service/metrics.ts';
import { Readiness } from './service/readiness.ts';

// Lambda's synchronous payload is 6 MB, and binary travels as base64: this and its head fit.
const MAX_REPLY_BYTES = 4 * MiB;

interface Instance {
  readonly root: Root;
  readonly handle: (event: object, context: object) => Promise<object>;
}

let instance: Promise<Instance> | undefined;

/** The function that reads blobs for agents: one root an instance, configured by DADIP2P_* variables alone. */
export async function handler(event: object, context: object): Promise<object> {
  const startedMs = performance.now();
  instance ??= open();
  // An instance that could not open tries again at its next call.
  const { root, handle } = await instance.catch((error: unknown) => {
    instance = undefined;
    throw error;
  });
  const reply = await handle(event, context);
  // The platform freezes the instance when this returns: what was fetched must be kept by then.
  await root.reader.settled();
  await countCall(startedMs, root.core);
  return reply;
}

async function open(): Promise<Instance> {
  const { env } = process;
  const override = { path: ['P2PConfig', 'RunMode'], value: 'root', source: 'functions/read' };
  const settings = loadSettings({ text: undefined, file: 'environment', env, overrides: [override] });
  const readiness = new Readiness();
  readiness.serve();
  const root = await openRoot(settings, {
    log: createLog(settings.LogLevel, { name: 'read' }),
    metrics: new Metrics(),
    readiness,
    self: `http://${env.AWS_LAMBDA_FUNCTION_NAME ?? 'function'}`,
    nodeCa: env.NODE_EXTRA_CA_CERTS,
    maxReplyBytes: MAX_REPLY_BYTES,
    // Nobody is on the host of a function but itself.
    isOfThisHost: () => false,
    api: () => apiElsewhere(env),
  });
  const listener = root.app.callback();
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    // A function cannot break a transfer half-way; it fails as a whole instead of returning a short body.
    response.destroy = (error) => {
      response.emit('error', error ?? new Error('the transfer broke'));
      return response;
    };
    return listener(request, response);
  };
  return { root, handle: serverless(answer, { binary: true }) };
}
