import process from 'node:process';
import serverless from 'serverless-http';
import { countCall } from './root/cost/count-call.ts';
import { openRoot, type Root } from './root/root.ts';
import { callOf, eventOf, type LambdaContext } from './root/warm/call.ts';
import { openWarmer } from './root/warm/open-warmer.ts';
import { warmRoutes } from './root/warm/routes.ts';
import type { Warmer } from './root/warm/warmer.ts';
import { createApi } from './service/api.ts';
import { createApiApp } from './service/api-app.ts';
import { requireToken } from './service/api-token.ts';
import { loadSettings } from './service/config/load.ts';
import { createLog } from './service/log.ts';
import { Metrics } from './service/metrics.ts';
import { Readiness } from './service/readiness.ts';

interface Instance {
  readonly root: Root;
  readonly warmer: Warmer;
  readonly handle: (event: object, context: object) => Promise<object>;
}

// Of a job that is large several instances fetch at once.
const LANES = 8;
// The rest is for what was begun: at worst a chunk each of a slow origin.
const SHARE_OF_TIME = 0.75;
// Only the platform ends an instance.
const NEVER = new AbortController().signal;

let instance: Promise<Instance> | undefined;

/** The function that warms: its URL takes jobs and tells how far they are, and it calls itself to work on them. */
export async function handler(event: object, context: LambdaContext): Promise<object> {
  const startedMs = performance.now();
  instance ??= open();
  const { root, warmer, handle } = await instance.catch((error: unknown) => {
    instance = undefined;
    throw error;
  });
  const call = callOf(event);
  try {
    if (call === undefined) return await handle(event, context);
    const budgetMs = Math.floor(context.getRemainingTimeInMillis() * SHARE_OF_TIME);
    await warmer.perform(call, AbortSignal.timeout(budgetMs), NEVER);
    return {};
  } finally {
    // The platform freezes the instance when this returns: what was fetched must be kept by then.
    await root.reader.settled();
    await countCall(startedMs, root.core);
  }
}

async function open(): Promise<Instance> {
  const { env } = process;
  const override = { path: ['P2PConfig', 'RunMode'], value: 'root', source: 'functions/warm' };
  const settings = loadSettings({ text: undefined, file: 'environment', env, overrides: [override] });
  const name = env.AWS_LAMBDA_FUNCTION_NAME ?? 'warm';
  const log = createLog(settings.LogLevel, { name: 'warm' });
  const parts = { log, metrics: new Metrics(), readiness: new Readiness(), self: `http://${name}` };
  const root = await openRoot(settings, { ...parts, nodeCa: env.NODE_EXTRA_CA_CERTS });
  const invoke = (await import('./root/invoke.ts')).createInvoke(name);
  const warmer = openWarmer(root.core, LANES, (call) => invoke(eventOf(call)));
  const section = { name: 'warm', open: async () => warmRoutes(warmer) };
  const app = createApiApp(createApi([section], requireToken(settings.Admin.Tokens)), log);
  return { root, warmer, handle: serverless(app) };
}
