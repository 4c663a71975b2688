import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { get } from './client.ts';
import { freePort } from './daemon.ts';
import { until } from './until.ts';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const END_MS = 10_000;

/** Functions in an emulator. */
export interface Offline extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  /** What it has printed. */
  output(): string;
}

/** `serverless offline`: the functions of serverless.yml as they are bundled, behind an HTTP API. */
export async function startOffline(env: Readonly<Record<string, string>>): Promise<Offline> {
  const [http, lambda] = [await freePort(), await freePort()];
  const child = spawn(
    process.execPath,
    [join(REPOSITORY, 'node_modules/serverless/bin/serverless.js'), 'offline', 'start'],
    {
      cwd: REPOSITORY,
      env: {
        ...process.env,
        SLS_TELEMETRY_DISABLED: '1',
        SLS_NOTIFICATIONS_MODE: 'off',
        OFFLINE_PORT: String(http),
        OFFLINE_LAMBDA_PORT: String(lambda),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      printed += text;
    });
  }
  const ended = once(child, 'exit');
  const offline: Offline = {
    url: `http://127.0.0.1:${http}`,
    output: () => printed,
    async [Symbol.asyncDispose]() {
      const late = setTimeout(() => child.kill('SIGKILL'), END_MS);
      child.kill('SIGINT');
      await ended;
      clearTimeout(late);
    },
  };
  try {
    await until('serverless offline', async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      return (await get(`${offline.url}/healthz`)).status === 200;
    });
  } catch (cause) {
    await offline[Symbol.asyncDispose]();
    throw new Error(printed, { cause });
  }
  return offline;
}
