import process from 'node:process';
import serverless from 'serverless-http';
import { P2PError } from './protocol/errors.ts';
import { openDirectory } from './root/directory-api.ts';
import { S3Bucket } from './root/s3-bucket.ts';
import { S3Entries } from './root/s3-entries.ts';
import { createApi } from './service/api.ts';
import { createApiApp } from './service/api-app.ts';
import { admitAll } from './service/api-token.ts';
import { loadSettings } from './service/config/load.ts';
import { HttpClient } from './service/http-client.ts';
import { createLog } from './service/log.ts';

type Handle = (event: object, context: object) => Promise<object>;

const CONNECTIONS = 16;

let handle: Handle | undefined;

/** The function that agents find each other by: it takes their announcements, and lists those of a zone. */
export async function handler(event: object, context: object): Promise<object> {
  handle ??= open();
  return handle(event, context);
}

function open(): Handle {
  const { env } = process;
  const override = { path: ['P2PConfig', 'RunMode'], value: 'root', source: 'functions/agents' };
  const settings = loadSettings({ text: undefined, file: 'environment', env, overrides: [override] });
  const { S3, Secret, Timeouts, LogLevel } = settings;
  if (S3 === undefined)
    throw new P2PError('CONFIG_INVALID', 'S3: is required here: nothing else outlives a function');
  const limits = { connectMs: Timeouts.Connect, firstByteMs: Timeouts.FirstByte, idleMs: Timeouts.Idle };
  // It may not ask after the bucket itself, nor need it: what fails then says why.
  const entries = new S3Entries(S3Bucket.named(S3, new HttpClient({ ...limits, connections: CONNECTIONS })));
  const self = `http://${env.AWS_LAMBDA_FUNCTION_NAME ?? 'agents'}`;
  const section = {
    name: 'agents',
    // Agents have tokens of their own.
    authorize: admitAll,
    open: async () => openDirectory({ secrets: Secret, self, entries, now: () => performance.now() }),
  };
  return serverless(
    createApiApp(createApi([section], admitAll), createLog(LogLevel, { name: 'agents' })),
  ) as Handle;
}
