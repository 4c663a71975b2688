import process from 'node:process';
import serverless from 'serverless-http';
import { keeperSections } from './root/api.ts';
import { countCall } from './root/cost/count-call.ts';
import { openRoot, type Root } from './root/root.ts';
import { sweeperOf } from './root/sweep/sweeper.ts';
import { createApi } from './service/api.ts';
import { createApiApp } from './service/api-app.ts';
import { requireToken } from './service/api-token.ts';
import { loadSettings } from './service/config/load.ts';
import { createLog } from './service/log.ts';
import { Metrics } from './service/metrics.ts';
import { Readiness } from './service/readiness.ts';

interface LambdaContext {
  getRemainingTimeInMillis(): number;
}

interface Instance {
  readonly root: Root;
  readonly handle: (event: object, context: object) => Promise<object>;
}

// For what a sweep is at when it is told to end, and to keep where it is.
const RESERVE_MS = 60_000;

let instance: Promise<Instance> | undefined;

/** The function that looks after what the root keeps: by schedule, and for who asks its URL to sweep, purge or tell the cost. */
export async function handler(event: object, context: LambdaContext): Promise<object> {
  const startedMs = performance.now();
  instance ??= open();
  const { root, handle } = await instance.catch((error: unknown) => {
    instance = undefined;
    throw error;
  });
  try {
    if ('requestContext' in event) return await handle(event, context);
    return await sweeperOf(root.core).sweep(false, () => context.getRemainingTimeInMillis() > RESERVE_MS);
  } finally {
    // The platform freezes the instance when this returns.
    await root.reader.settled();
    await countCall(startedMs, root.core);
  }
}

async function open(): Promise<Instance> {
  const { env } = process;
  const override = { path: ['P2PConfig', 'RunMode'], value: 'root', source: 'functions/sweep' };
  const settings = loadSettings({ text: undefined, file: 'environment', env, overrides: [override] });
  const log = createLog(settings.LogLevel, { name: 'sweep' });
  const parts = { log, metrics: new Metrics(), readiness: new Readiness(), self: 'http://sweep' };
  const root = await openRoot(settings, { ...parts, nodeCa: env.NODE_EXTRA_CA_CERTS });
  const api = createApi(keeperSections(root.core), requireToken(settings.Admin.Tokens));
  return { root, handle: serverless(createApiApp(api, log)) };
}
