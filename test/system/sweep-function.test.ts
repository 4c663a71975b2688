import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STATE_PATH } from '../../functions/root/sweep/state.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download, get } from '../support/client.ts';
import { type FunctionUrl, startFunctionUrl } from '../support/function-url.ts';
import { listNames, startMinio } from '../support/minio.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { need } from '../support/programs.ts';
import { s3Error } from '../support/s3-rules.ts';
import { shared } from '../support/shared.ts';
import { type StrictS3, startStrictS3 } from '../support/strict-s3.ts';
import { functionEnv, s3Env } from '../support/through-function.ts';
import { TOKEN } from '../support/warm.ts';

const NAME = 'system/sweep-function';
const test = suite(NAME);
const real = need(test, NAME, 'minio');

const BUNDLE = fileURLToPath(new URL('../../.esbuild/sweep.js', import.meta.url));
const AUTHORIZED = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };

const minio = shared(test, startMinio);

/** The functions `read` and `sweep` of one root over one bucket. */
interface Deployed extends AsyncDisposable {
  readonly origin: Origin;
  readonly s3: StrictS3;
  readonly read: FunctionUrl;
  readonly sweep: FunctionUrl;
}

async function deploy(): Promise<Deployed> {
  const s3 = await startStrictS3(await minio());
  const origin = await startOrigin();
  const settings = { ...s3Env(s3), DADIP2P_P2PConfig__CacheConfig__ChunkSize: '65536' };
  const keeper = { DADIP2P_Admin__Tokens: `["${TOKEN}"]`, DADIP2P_Sweep__MaxAge: '30d' };
  const sweep = await startFunctionUrl({
    bundle: BUNDLE,
    // As it is deployed.
    timeoutMs: 900_000,
    env: (tmp) => functionEnv(origin, tmp, { ...settings, ...keeper }),
  });
  const read = await startFunctionUrl({
    env: (tmp) => functionEnv(origin, tmp, { ...settings, API_SWEEP_URL: sweep.url }),
  });
  return {
    origin,
    s3,
    read,
    sweep,
    async [Symbol.asyncDispose]() {
      await sweep[Symbol.asyncDispose]();
      await read[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
      await s3[Symbol.asyncDispose]();
    },
  };
}

/** Has a blob of two chunks kept, and gives its URL at the function that reads. */
async function keep({ origin, read }: Deployed, seed: string): Promise<string> {
  const bytes = blobOf(100_000, seed);
  const url = origin.put(`/v2/team/app/blobs/sha256:${sha256(bytes)}`, bytes);
  const own = `${read.url}/dadip2p/${url}`;
  await readWhole(own, read);
  return own;
}

async function readWhole(own: string, read: FunctionUrl): Promise<void> {
  const { status, digest } = await download(own);
  assert.equal([status, digest], [200, own.slice(-64)], read.output());
}

/** The event by which the platform calls a function on its schedule. */
const SCHEDULED = { version: '0', 'detail-type': 'Scheduled Event', source: 'aws.events', detail: {} };

async function scheduled(sweep: FunctionUrl) {
  const outcome = await sweep.invoke(SCHEDULED);
  return outcome?.kind === 'returned' ? JSON.parse(outcome.payload) : outcome?.kind;
}

const kept = async () => (await listNames(await minio())).filter((name) => name.startsWith('v1/')).length;

real('the schedule and the API sweep alike, and who has no token does not', async () => {
  await using world = await deploy();
  const { read, sweep, origin } = world;
  const url = await keep(world, 'swept');
  const path = `${read.url}/api/v1/sweep`;
  const sent = await get(path, { method: 'POST', body: '{}' });
  assert.equal([sent.status, sent.headers.location], [307, `${sweep.url}/api/v1/sweep`]);
  const ask = { method: 'POST', body: '{"dryRun":false}' };
  assert.is((await get(`${sweep.url}/api/v1/sweep`, ask)).status, 401);
  const answer = await get(`${sweep.url}/api/v1/sweep`, { ...ask, headers: AUTHORIZED });
  assert.is(answer.status, 200, answer.text + sweep.output());
  const first = JSON.parse(answer.text);
  assert.equal([first.isDone, first.found.blobs, first.removed.aged.blobs], [true, 1, 0]);
  const again = await scheduled(sweep);
  assert.equal([again.isDone, again.found, again.removed.aged.blobs], [true, first.found, 0], sweep.output());
  origin.forget();
  await read.retire();
  await readWhole(url, read);
  assert.is(origin.bytesSent, 0, 'what is young stays');

  const body = `{"origin":"${origin.url}"}`;
  const purged = await get(`${sweep.url}/api/v1/purge`, { method: 'POST', headers: AUTHORIZED, body });
  assert.equal([purged.status, JSON.parse(purged.text).isDone], [200, true], purged.text);
  await read.retire();
  await readWhole(url, read);
  assert.ok(origin.bytesSent > 0, 'what was purged is fetched anew');
  const told = await get(`${sweep.url}/api/v1/cost?days=1`, { headers: AUTHORIZED });
  assert.ok(JSON.parse(told.text).days[0].calls >= 3, `its own calls are counted: ${told.text}`);
  assert.ok((await kept()) > 0);
});

real('a sweep that S3 fails removes nothing that is wanted, and the next run ends it', async () => {
  await using world = await deploy();
  const { s3, read, sweep, origin } = world;
  const url = await keep(world, 'through faults');
  await scheduled(sweep);
  const before = await kept();
  for (const misdeed of [s3Error('SlowDown'), s3Error('InternalError'), { reset: true as const }]) {
    // The listing, the facts, and where it leaves what it did.
    for (const on of [/^GET \S*list-type/, /^GET \S*blob\.json/, new RegExp(`^PUT \\S*${STATE_PATH}`)]) {
      // A process that has seen S3 fail often asks it less; the platform ends it sooner or later.
      await sweep.retire();
      s3.faults = [{ on, ...misdeed }];
      await scheduled(sweep);
      s3.faults = [];
      assert.is(await kept(), before, `${on} ${JSON.stringify(misdeed)}`);
    }
  }
  await sweep.retire();
  const done = await scheduled(sweep);
  assert.equal([done.isDone, done.inUse], [true, 0], sweep.output());
  origin.forget();
  await read.retire();
  await readWhole(url, read);
  assert.is(origin.bytesSent, 0);
});

test.run();
