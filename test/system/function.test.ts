import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download, get } from '../support/client.ts';
import { startMinio } from '../support/minio.ts';
import { startOffline } from '../support/offline.ts';
import { startOrigin } from '../support/origin.ts';
import { through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { functionEnv, pullTwice, s3Env, startAgentOf } from '../support/through-function.ts';

const NAME = 'system/function';
const test = suite(NAME);

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const MiB = 2 ** 20;

test('an agent pulls through the function over a folder, cold and warm, and no reply is ever cut', async () => {
  assert.ok(existsSync(join(REPOSITORY, '.esbuild/read.js')), 'npm run build makes the bundle');
  await using origin = await startOrigin();
  await using dir = await tempDir();
  await using offline = await startOffline(functionEnv(origin, dir.path));
  await pullTwice(origin, offline);

  // The platform takes 6 MB, base64 included: what is larger is to be had from the origin.
  const bytes = blobOf(4 * MiB + 1, 'too large');
  const there = origin.put(`/v2/fn/blobs/sha256:${sha256(bytes)}`, bytes);
  const url = `${offline.url}/dadip2p/${there}`;
  const sent = await get(url);
  assert.is(sent.status, 307);
  assert.is(sent.headers.location, there);
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
  const env = functionEnv(origin, dir.path, s3Env(s3));
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
