import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSettings } from '../../functions/service/config/load.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download, get } from '../support/client.ts';
import { type FunctionUrl, startFunctionUrl } from '../support/function-url.ts';
import type { Door } from '../support/lambda/event.ts';
import { startMinio } from '../support/minio.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import type { S3Server } from '../support/s3-server.ts';
import { shared } from '../support/shared.ts';
import { startStrictS3 } from '../support/strict-s3.ts';
import { functionEnv, pullTwice, s3Env, startAgentOf } from '../support/through-function.ts';
import { until } from '../support/until.ts';

const NAME = 'system/function-url';
const test = suite(NAME);
const real = need(test, NAME, 'minio');

const BUNDLE = fileURLToPath(new URL('../../.esbuild/read.js', import.meta.url));
const MiB = 2 ** 20;
// What a function may return (AWS Lambda quotas).
const MAX_PAYLOAD_BYTES = 6_291_556;

const minio = shared(test, startMinio);
const strictS3 = async () => startStrictS3(await minio());

function deploy(origin: Origin, s3: S3Server, door: Door = 'function-url'): Promise<FunctionUrl> {
  assert.ok(existsSync(BUNDLE), 'npm run build makes the bundle');
  return startFunctionUrl({ door, env: (tmp) => functionEnv(origin, tmp, s3Env(s3)) });
}

/** Every call was answered by the function itself, within what the platform takes. */
function allFit({ calls, output }: FunctionUrl): void {
  for (const { payloadBytes } of calls) {
    assert.ok(
      payloadBytes > 0 && payloadBytes <= MAX_PAYLOAD_BYTES,
      `a payload of ${payloadBytes} bytes\n${output()}`,
    );
  }
}

real(
  'an agent pulls through a Function URL and an HTTP API, cold and warm, and no payload is over 6 MB',
  async () => {
    await using s3 = await strictS3();
    await using origin = await startOrigin();
    for (const door of ['function-url', 'http-api'] as const) {
      await using lambda = await deploy(origin, s3, door);
      await pullTwice(origin, lambda);
      allFit(lambda);
    }
  },
);

real('what is kept is served by instances that start later, without the origin', async () => {
  await using s3 = await strictS3();
  await using origin = await startOrigin();
  const bytes = blobOf(2 * 4 * MiB + 99, 'kept for others');
  const url = origin.put(`/v2/fn/blobs/sha256:${sha256(bytes)}`, bytes);
  await using lambda = await deploy(origin, s3);
  await using first = await startAgentOf(lambda, origin);
  assert.is((await download(through(first, url))).digest, sha256(bytes));
  await lambda.retire();
  origin.always = { reset: true };
  origin.forget();
  await using second = await startAgentOf(lambda, origin);
  const answer = await download(through(second, url));
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(bytes));
  assert.is(origin.hits.length, 0);
  allFit(lambda);
});

real('an agent learns by HEAD what a blob is, and passes on what the origin demands', async () => {
  await using s3 = await strictS3();
  await using origin = await startOrigin();
  const bytes = blobOf(1 * MiB, 'asked for by HEAD');
  const url = origin.put(`/v2/fn/blobs/sha256:${sha256(bytes)}`, bytes);
  await using lambda = await deploy(origin, s3);
  await using agent = await startAgentOf(lambda, origin);
  const head = await get(through(agent, url), { method: 'HEAD' });
  assert.is(head.status, 200);
  assert.is(head.headers['content-length'], String(bytes.length));
  const challenge = 'Bearer realm="https://auth.test/token",service="registry.test"';
  origin.always = { status: 401, headers: { 'www-authenticate': challenge } };
  const denied = await get(through(agent, `${origin.url}/v2/fn/blobs/sha256:${'0'.repeat(64)}`));
  assert.is(denied.status, 401);
  assert.is(denied.headers['www-authenticate'], challenge);
  allFit(lambda);
});

real(
  'a function whose chunks would not fit its replies says so at its first call, and which setting',
  async () => {
    await using s3 = await strictS3();
    await using origin = await startOrigin();
    const size = { DADIP2P_P2PConfig__CacheConfig__ChunkSize: '8MiB' };
    const env = (tmp: string) => functionEnv(origin, tmp, { ...s3Env(s3), ...size });
    await using lambda = await startFunctionUrl({ env });
    assert.is((await get(`${lambda.url}/healthz`)).status, 502);
    const why = /P2PConfig\.CacheConfig\.ChunkSize: a chunk of 8388608 bytes does not fit/;
    await until('the reason in the log', () => why.test(lambda.output()));
  },
);

test('the check of settings that is compiled into the bundle finds what the one that is compiled at the start does', async () => {
  const wrong = {
    DADIP2P_LogLevel: 'wordy',
    DADIP2P_Origins: '[preset:nothing]',
    DADIP2P_Timeouts__Idle: 'soon',
    DADIP2P_P2PConfig__CacheConfig__MemCacheSize: 'lots',
    DADIP2P_S3__Region: 'eu-west-1',
  };
  const overrides = [{ path: ['P2PConfig', 'RunMode'], value: 'root', source: 'functions/read' }];
  const load = () => loadSettings({ text: undefined, file: 'environment', env: wrong, overrides });
  let told = '';
  try {
    load();
  } catch (error) {
    told = (error as Error).message;
  }
  assert.match(told, /6 faults/);
  await using lambda = await startFunctionUrl({ env: () => wrong });
  assert.is((await get(`${lambda.url}/healthz`)).status, 502);
  await until(told, () => lambda.output().includes(told)).catch((cause) => {
    throw new Error(lambda.output(), { cause });
  });
});

test.run();
