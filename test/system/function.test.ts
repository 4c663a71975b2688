import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download, get } from '../support/client.ts';
import { freePort } from '../support/daemon.ts';
import { startMinio } from '../support/minio.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startAgent, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import type { S3Server } from '../support/s3-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const NAME = 'system/function';
const test = suite(NAME);

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const READY_MS = 60_000;
const END_MS = 10_000;
const MiB = 2 ** 20;
const CHUNKS = 4;

interface Offline extends AsyncDisposable {
  readonly url: string;
  output(): string;
}

/** `serverless offline`: the function of serverless.yml as it is bundled, behind an HTTP API. */
async function startOffline(env: Readonly<Record<string, string>>): Promise<Offline> {
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
        DADIP2P_OFFLINE_PORT: String(http),
        DADIP2P_OFFLINE_LAMBDA_PORT: String(lambda),
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
    await until(
      'serverless offline',
      async () => {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
        return (await get(`${offline.url}/healthz`)).status === 200;
      },
      READY_MS,
    );
  } catch (cause) {
    await offline[Symbol.asyncDispose]();
    throw new Error(printed, { cause });
  }
  return offline;
}

const envOf = (origin: Origin, folder: string, more: Readonly<Record<string, string>> = {}) => ({
  DADIP2P_Origins: `[${origin.url}]`,
  DADIP2P_P2PConfig__CacheConfig__FileCachePath: folder,
  ...more,
});

const s3Env = (s3: S3Server) => ({
  DADIP2P_S3__Endpoint: s3.endpoint,
  DADIP2P_S3__Bucket: s3.bucket,
  DADIP2P_S3__Region: s3.region,
  DADIP2P_S3__AccessKeyId: s3.accessKeyId,
  DADIP2P_S3__SecretAccessKey: s3.secretAccessKey,
});

const startAgentOf = (offline: Offline, origin: Origin): Promise<NodeProcess> =>
  startAgent({ origins: [origin.url], chunkSize: '4MiB', agent: { OriginFallback: false } }, [offline.url]);

/** An agent pulls a blob of several chunks through the function; a second agent costs the origin nothing. */
async function pullTwice(origin: Origin, offline: Offline): Promise<void> {
  const bytes = blobOf((CHUNKS - 1) * 4 * MiB + 12_345, `pulled ${offline.url}`);
  for (const path of [`/v2/fn/blobs/sha256:${sha256(bytes)}`, '/plain']) {
    const url = origin.put(path, bytes, { headers: { 'cache-control': 'max-age=600' } });
    origin.forget();
    await using first = await startAgentOf(offline, origin);
    const cold = await download(through(first, url));
    assert.is(cold.status, 200, path);
    assert.is(cold.complete, true, path);
    assert.is(cold.digest, sha256(bytes), path);
    // Each instance of the function that is asked at once may have to learn what the blob is.
    assert.ok(
      origin.bytesSent >= bytes.length && origin.bytesSent <= 2 * bytes.length,
      `${origin.bytesSent}`,
    );
    origin.forget();
    await using second = await startAgentOf(offline, origin);
    const warm = await download(through(second, url));
    assert.is(warm.digest, sha256(bytes), path);
    assert.is(origin.bytesSent, 0, 'what the function has kept it serves without the origin');
  }
}

test('an agent pulls through the function over a folder, cold and warm, and no reply is ever cut', async () => {
  assert.ok(existsSync(join(REPOSITORY, '.esbuild/read.js')), 'npm run build makes the bundle');
  await using origin = await startOrigin();
  await using dir = await tempDir();
  await using offline = await startOffline(envOf(origin, dir.path));
  await pullTwice(origin, offline);

  // The platform takes 6 MB, base64 included: what is larger is refused whole, by size, range or method.
  const bytes = blobOf(4 * MiB + 1, 'too large');
  const url = `${offline.url}/dadip2p/${origin.put(`/v2/fn/blobs/sha256:${sha256(bytes)}`, bytes)}`;
  const refused = await get(url);
  assert.is(refused.status, 413);
  assert.is(refused.headers['x-p2p-error'], 'REPLY_TOO_LARGE');
  const head = await get(url, { method: 'HEAD' });
  assert.is(head.status, 200);
  const fits = await get(url, { headers: { range: `bytes=0-${4 * MiB - 1}` } });
  assert.is(fits.status, 206);
  assert.is(fits.headers['content-range'], `bytes 0-${4 * MiB - 1}/${bytes.length}`);
  assert.is(fits.digest, sha256(bytes.subarray(0, 4 * MiB)));
  const rest = await get(url, { headers: { range: `bytes=${4 * MiB}-` } });
  assert.is(rest.digest, sha256(bytes.subarray(4 * MiB)));

  // Refusals come through as they are.
  origin.always = { status: 404, body: 'no such thing' };
  const missing = await get(`${offline.url}/dadip2p/${origin.url}/missing`);
  assert.is(missing.status, 404);
  assert.is(missing.text, 'no such thing');
  origin.always = {};
  const unlisted = await get(`${offline.url}/dadip2p/http://10.0.0.1/a`);
  assert.is(unlisted.status, 403);
  assert.match(unlisted.text, /Origins/);
  const wrongKey = await get(`${offline.url}/other/${origin.url}/a`);
  assert.is(wrongKey.status, 403);
});

need(
  test,
  NAME,
  'minio',
)('an agent pulls through the function over S3, and another instance of it needs no origin', async () => {
  await using s3 = await startMinio();
  await using origin = await startOrigin();
  await using dir = await tempDir();
  const env = envOf(origin, dir.path, s3Env(s3));
  const bytes = blobOf(2 * 4 * MiB + 99, 'kept in S3');
  const url = origin.put(`/v2/fn/blobs/sha256:${sha256(bytes)}`, bytes);
  {
    await using offline = await startOffline(env);
    await pullTwice(origin, offline);
    await using agent = await startAgentOf(offline, origin);
    assert.is((await download(through(agent, url))).digest, sha256(bytes));
  }
  origin.forget();
  origin.always = { reset: true };
  await using offline = await startOffline(env);
  await using agent = await startAgentOf(offline, origin);
  const answer = await download(through(agent, url));
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(bytes));
  assert.is(origin.hits.length, 0);
});

test.run();
