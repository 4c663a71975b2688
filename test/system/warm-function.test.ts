import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { callOf } from '../../functions/root/warm/call.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download, get } from '../support/client.ts';
import { type FunctionUrl, startFunctionUrl } from '../support/function-url.ts';
import { type InvokeApi, startInvokeApi } from '../support/lambda/invoke-api.ts';
import { listObjects, startMinio } from '../support/minio.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startAgent, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { seeded } from '../support/seeded.ts';
import { shared } from '../support/shared.ts';
import { type StrictS3, startStrictS3 } from '../support/strict-s3.ts';
import { functionEnv, s3Env } from '../support/through-function.ts';
import { until } from '../support/until.ts';
import { ended, startWarm, TOKEN } from '../support/warm.ts';

const NAME = 'system/warm-function';
const test = suite(NAME);
const real = need(test, NAME, 'minio');

const BUNDLE = fileURLToPath(new URL('../../.esbuild/warm.js', import.meta.url));
const CHUNK = 64 * 1024;

const minio = shared(test, startMinio);

/** The functions `read` and `warm` of one root over one bucket, and what calls them. */
interface Deployed extends AsyncDisposable {
  readonly origin: Origin;
  readonly s3: StrictS3;
  readonly read: FunctionUrl;
  readonly warm: FunctionUrl;
  readonly calls: InvokeApi;
}

async function deploy(timeoutMs?: number): Promise<Deployed> {
  assert.ok(existsSync(BUNDLE), 'npm run build makes the bundle');
  const s3 = await startStrictS3(await minio());
  const origin = await startOrigin();
  const calls = await startInvokeApi();
  const settings = { ...s3Env(s3), DADIP2P_P2PConfig__CacheConfig__ChunkSize: String(CHUNK) };
  const api = {
    DADIP2P_Admin__Tokens: `["${TOKEN}"]`,
    DADIP2P_Mirror__Registries: `{"reg.test":"${origin.url}"}`,
  };
  const warm = await startFunctionUrl({
    bundle: BUNDLE,
    env: (tmp) => functionEnv(origin, tmp, { ...settings, ...calls.env, ...api }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  calls.deployed = warm;
  const read = await startFunctionUrl({
    env: (tmp) => functionEnv(origin, tmp, { ...settings, API_WARM_URL: warm.url }),
  });
  return {
    origin,
    s3,
    read,
    warm,
    calls,
    async [Symbol.asyncDispose]() {
      await calls[Symbol.asyncDispose]();
      await warm[Symbol.asyncDispose]();
      await read[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
      await s3[Symbol.asyncDispose]();
    },
  };
}

/** An image of so many layers of so many chunks each, in an origin that is a registry as far as pulling goes. */
function putImage(origin: Origin, layers: number, chunks: number): readonly string[] {
  const put = (kind: string, bytes: Buffer, type: string, tag?: string) => {
    const digest = `sha256:${sha256(bytes)}`;
    const headers = { 'content-type': type, 'docker-content-digest': digest };
    if (tag !== undefined) origin.put(`/v2/team/app/${kind}/${tag}`, bytes, { headers });
    origin.put(`/v2/team/app/${kind}/${digest}`, bytes, { headers });
    return { mediaType: type, digest, size: bytes.length };
  };
  origin.put('/v2/', Buffer.from('{}'));
  const blobs = Array.from({ length: layers }, (_, n) =>
    put('blobs', blobOf(chunks * CHUNK - n, `layer ${n} of ${layers}`), 'application/octet-stream'),
  );
  const [config, ...rest] = blobs;
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: rest });
  const manifest = put('manifests', Buffer.from(text), mediaType, 'v1');
  return [
    `${origin.url}/v2/team/app/manifests/${manifest.digest}`,
    ...blobs.map(({ digest }) => `${origin.url}/v2/team/app/blobs/${digest}`),
  ];
}

/** Bytes of blobs and manifests that an origin has sent: pings and what a tag names are none. */
const sentOf = ({ hits }: Origin) =>
  hits.reduce((sum, { url, method, bytes }) => sum + (url === '/v2/' || method === 'HEAD' ? 0 : bytes), 0);

const JOB = { images: ['reg.test/team/app:v1'] };

const idOf = async (warm: FunctionUrl): Promise<string> => {
  const { status, text } = await startWarm(warm, JOB);
  assert.is(status, 202, text + warm.output());
  return JSON.parse(text).id;
};

real('a function warms an image by calling itself; agents then pull it without the origin', async () => {
  await using world = await deploy();
  const { origin, read, warm, calls } = world;
  const urls = putImage(origin, 3, 5);
  const sent = await get(`${read.url}/api/v1/warm`, { method: 'POST', body: '{}' });
  assert.equal([sent.status, sent.headers.location], [307, `${warm.url}/api/v1/warm`]);
  assert.is((await get(`${warm.url}/api/v1/warm`, { method: 'POST', body: '{}' })).status, 401);
  const done = await ended(warm, await idOf(warm));
  assert.equal([done.state, done.failures], ['done', []], warm.output());
  const { total } = done.chunks;
  assert.equal(done.chunks, { total, done: total, fetched: total });
  assert.is(sentOf(origin), done.bytes.total, 'each byte once');
  assert.ok(calls.events.length > 2, 'it was planned by one call, and worked on by others');
  assert.is(calls.failures, 0, warm.output());
  origin.forget();
  const again = await ended(warm, await idOf(warm));
  assert.equal([again.id, again.state, again.chunks.fetched], [done.id, 'done', 0]);
  assert.is(sentOf(origin), 0, 'what is there is not asked for');
  origin.forget();
  const agent = { OriginFallback: false };
  await using node = await startAgent({ origins: [origin.url], agent }, [read.url]);
  for (const url of urls) {
    const { status, digest } = await download(through(node, url));
    assert.equal([status, `sha256:${digest}`], [200, url.split('/').at(-1)]);
  }
  assert.is(origin.hits.length, 0, read.output());
});

real('instances that are killed at any point are followed by others, and the job ends complete', async () => {
  await using world = await deploy();
  const { origin, warm, calls } = world;
  // Slow enough to be killed in the middle.
  origin.always = { bitsPerSecond: 4_000_000 };
  const urls = putImage(origin, 2, 24);
  const id = await idOf(warm);
  const random = seeded('killed');
  // Each call is tried three times: whichever these hit, somebody is left to bring it to its end.
  for (const share of [0.1, 0.5]) {
    const reached = () => sentOf(origin) > share * 48 * CHUNK && warm.instances.find(({ isBusy }) => isBusy);
    await until('somebody at work', reached);
    const busy = warm.instances.filter(({ isBusy }) => isBusy);
    busy[Math.floor(random() * busy.length)]?.kill();
  }
  origin.always = {};
  const done = await ended(warm, id);
  assert.equal([done.state, done.chunks.done], ['done', done.chunks.total], warm.output());
  assert.ok(calls.failures > 0, 'calls were broken off');
  // A lane fetches four chunks at a time, and looks ahead by four where it proves.
  const lost = calls.failures * 8 * CHUNK;
  assert.ok(sentOf(origin) <= done.bytes.total + lost, `${sentOf(origin)} for ${done.bytes.total}`);
  origin.forget();
  assert.is((await ended(warm, await idOf(warm))).chunks.fetched, 0);
  assert.is(sentOf(origin), 0, `${urls.length} blobs are there`);
});

real('what a call has no time for is handed over to the next, and nothing is fetched twice', async () => {
  await using world = await deploy(8_000);
  const { origin, warm, calls } = world;
  putImage(origin, 1, 40);
  // A chunk at a time, for longer than one call may take.
  origin.refuses = async () => ({ delayMs: 800 });
  const done = await ended(warm, await idOf(warm));
  assert.equal([done.state, done.unproven], ['done', 0], warm.output());
  assert.equal(done.chunks, { total: 41, done: 41, fetched: 41 });
  assert.is(sentOf(origin), done.bytes.total);
  const handovers = calls.events.map((event) => callOf(event)?.handovers ?? 0);
  assert.ok(Math.max(...handovers) > 0, `${handovers}`);
  assert.is(calls.failures, 0, warm.output());
});

real('no secret of a job is kept in the bucket, and who may not read it sees nothing of it', async () => {
  await using world = await deploy();
  const { origin, warm, s3 } = world;
  putImage(origin, 1, 1);
  const logins = { 'reg.test': { username: 'alice', password: 'hunter2-and-more' } };
  const signed = origin.put('/files/a', blobOf(10, 'a file'), { headers: { 'cache-control': 'max-age=60' } });
  const job = { ...JOB, logins, urls: [`${signed}?X-Amz-Signature=a-signature`] };
  const { id } = JSON.parse((await startWarm(warm, job)).text);
  assert.is((await ended(warm, id)).state, 'done', warm.output());
  const objects = await listObjects(s3);
  assert.ok(objects.some((object) => object.startsWith(`warm/${id}/run.json`)));
  for (const text of [...objects, warm.output()]) {
    for (const secret of ['hunter2-and-more', 'a-signature']) assert.not.ok(text.includes(secret), text);
  }
  assert.is((await get(`${warm.url}/api/v1/warm/${id}`)).status, 401);
});

test.run();
