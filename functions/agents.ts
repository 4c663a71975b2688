import process from 'node:process';
import serverless from 'serverless-http';
import { P2PError } from './protocol/errors.ts';
import { countCall } from './root/cost/count-call.ts';
import { Usage } from './root/cost/usage.ts';
import { openDirectory } from './root/directory-api.ts';
import { S3Bucket } from './root/s3-bucket.ts';
import { S3Entries } from './root/s3-entries.ts';
import { S3Records } from './root/s3-records.ts';
import { createApi } from './service/api.ts';
import { createApiApp } from './service/api-app.ts';
import { admitAll } from './service/api-token.ts';
import { loadSettings } from './service/config/load.ts';
import { HttpClient } from './service/http-client.ts';
import { createLog } from './service/log.ts';

interface Instance {
  readonly usage: Usage;
  readonly records: S3Records;
  readonly handle: (event: object, context: object) => Promise<object>;
}

const CONNECTIONS = 16;

let instance: Instance | undefined;

/** The function that agents find each other by: it takes their announcements, and lists those of a zone. */
export async function handler(event: object, context: object): Promise<object> {
  const startedMs = performance.now();
  instance ??= open();
  try {
    return await instance.handle(event, context);
  } finally {
    await countCall(startedMs, instance);
  }
}

function open(): Instance {
  const { env } = process;
  const override = { path: ['P2PConfig', 'RunMode'], value: 'root', source: 'functions/agents' };
  const settings = loadSettings({ text: undefined, file: 'environment', env, overrides: [override] });
  const { S3, Secret, Timeouts, LogLevel } = settings;
  if (S3 === undefined)
    throw new P2PError('CONFIG_INVALID', 'S3: is required here: nothing else outlives a function');
  const limits = { connectMs: Timeouts.Connect, firstByteMs: Timeouts.FirstByte, idleMs: Timeouts.Idle };
  // It may not ask after the bucket itself, nor need it: what fails then says why.
  const bucket = S3Bucket.named(S3, new HttpClient({ ...limits, connections: CONNECTIONS }));
  const usage = new Usage(Date.now);
  bucket.countWith((operation, bytes) => usage.s3(operation, bytes));
  const entries = new S3Entries(bucket);
  const self = `http://${env.AWS_LAMBDA_FUNCTION_NAME ?? 'agents'}`;
  const section = {
    name: 'agents',
    // Agents have tokens of their own.
    authorize: admitAll,
    open: async () => openDirectory({ secrets: Secret, self, entries, now: () => performance.now() }),
  };
  const app = createApiApp(createApi([section], admitAll), createLog(LogLevel, { name: 'agents' }));
  return { usage, records: new S3Records(bucket), handle: serverless(app) };
}
