import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { type FunctionUrl, startFunctionUrl } from '../support/function-url.ts';
import { startMinio } from '../support/minio.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { need } from '../support/programs.ts';
import { seeded } from '../support/seeded.ts';
import { shared } from '../support/shared.ts';
import { type StrictS3, startStrictS3 } from '../support/strict-s3.ts';
import { functionEnv, s3Env } from '../support/through-function.ts';
import { until } from '../support/until.ts';

const NAME = 'system/fill-once';
const test = suite(NAME);
const real = need(test, NAME, 'minio');

const CHUNK = 64 * 1024;
// Each instance is a process of its own, and each chunk a few requests of each to S3: LARGE=1 takes minutes.
const IS_LARGE = process.env.LARGE === '1';
const [INSTANCES, CHUNKS] = IS_LARGE ? [64, 256] : [6, 64];
// So many instances have a core each on AWS, and here two for all: what takes long is only waiting for its turn.
const CALL_MS = IS_LARGE ? 900_000 : 29_000;
const PATIENCE = IS_LARGE
  ? {
      DADIP2P_Timeouts__Connect: '60s',
      DADIP2P_Timeouts__FirstByte: '300s',
      DADIP2P_Timeouts__Idle: '300s',
    }
  : {};
// What one call asks for.
const PART = 32 * CHUNK;
const PARTS = (CHUNKS * CHUNK) / PART;

const minio = shared(test, startMinio);

interface Cold extends AsyncDisposable {
  readonly origin: Origin;
  readonly s3: StrictS3;
  readonly lambda: FunctionUrl;
  readonly digest: string;
  readonly size: number;
  /** Reads the blob in as many calls as it takes, from the part `first` on and around; its digest, or what a call failed with. */
  read(first?: number): Promise<string>;
}

/** A function of which no instance runs yet, before a blob that nobody has asked for. */
async function cold(seed: string): Promise<Cold> {
  const s3 = await startStrictS3(await minio());
  const origin = await startOrigin();
  const bytes = blobOf(CHUNKS * CHUNK - 7, seed);
  const digest = sha256(bytes);
  const url = origin.put(`/v2/once/blobs/sha256:${digest}`, bytes);
  const settings = { ...s3Env(s3), ...PATIENCE, DADIP2P_P2PConfig__CacheConfig__ChunkSize: String(CHUNK) };
  const lambda = await startFunctionUrl({
    env: (tmp) => functionEnv(origin, tmp, settings),
    timeoutMs: CALL_MS,
  });
  return {
    origin,
    s3,
    lambda,
    digest,
    size: bytes.length,
    async read(first = 0) {
      const parts: Buffer[] = [];
      for (let n = 0; n < PARTS; n += 1) {
        const part = (first + n) % PARTS;
        const range = `bytes=${part * PART}-${(part + 1) * PART - 1}`;
        const answer = await get(`${lambda.url}/dadip2p/${url}`, {
          headers: { range },
          signal: AbortSignal.timeout(CALL_MS),
        });
        if (answer.status !== 206) return `${answer.status} ${answer.text} ${answer.error?.message ?? ''}`;
        parts[part] = answer.bytes;
      }
      return sha256(Buffer.concat(parts));
    },
    async [Symbol.asyncDispose]() {
      await lambda[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
      await s3[Symbol.asyncDispose]();
    },
  };
}

const together = ({ read }: Cold, readers: number) =>
  Promise.all(Array.from({ length: readers }, (_, n) => read(n)));

/** How often the origin was asked for chunks, and how often for a byte, to confirm what it had said of them. */
function asked({ origin }: Cold): { readonly fetched: number; readonly confirmed: number } {
  const confirmed = origin.hits.filter(({ headers }) => headers.range === 'bytes=0-0').length;
  return { fetched: origin.hits.length - confirmed, confirmed };
}

/** What its instances have logged, without what Node prints. */
const logOf = (lambda: FunctionUrl): string =>
  lambda
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{') || line.includes('Error'))
    .join('\n');

/** What the platform answers for an instance that died. */
const isDeath = (answer: string): boolean => answer.startsWith('502 Internal Server Error');

/** The leases that S3 still has: those put and not removed since. */
function leasesLeft({ s3 }: Cold): string[] {
  const left = new Set<string>();
  for (const { method, url, status } of s3.hits) {
    const path = url.split('?', 1)[0] ?? '';
    if (!path.includes('/lease/')) continue;
    if (method === 'PUT' && status === 200) left.add(path);
    if (method === 'DELETE') left.delete(path);
  }
  return [...left];
}

real('instances that start together for one blob fetch each chunk from the origin once', async () => {
  const startedMs = performance.now();
  await using world = await cold('once');
  const { origin, lambda, digest, size } = world;
  for (const answer of await together(world, INSTANCES)) assert.is(answer, digest, logOf(lambda));
  assert.ok(lambda.coldStarts >= INSTANCES, `${lambda.coldStarts} instances`);
  const { fetched, confirmed } = asked(world);
  assert.is(fetched, CHUNKS, logOf(lambda));
  // To confirm what it claims of a digest, which is believed for a minute, it is asked for a byte if for any.
  const more = origin.bytesSent - size;
  assert.ok(more >= 0 && more <= confirmed, `${more} bytes more than there are`);
  assert.ok(confirmed <= (performance.now() - startedMs) / 60_000, `${confirmed} confirmations`);
  assert.equal(leasesLeft(world), []);
});

real(
  'holders that are killed at random points lose nothing, and what they were at is fetched by others',
  async () => {
    await using world = await cold('crashes');
    const { origin, lambda, digest, read } = world;
    const random = seeded('crashes');
    const deaths = Array.from({ length: 3 }, (_, n) => Math.floor(((n + random()) * CHUNKS) / 3));
    let died = 0;
    const killing = setInterval(() => {
      if (asked(world).fetched < (deaths[died] ?? Infinity)) return;
      const busy = lambda.instances.filter(({ isBusy }) => isBusy);
      if (busy.length === 0) return;
      died += 1;
      busy[Math.floor(random() * busy.length)]?.kill();
    }, 1);
    try {
      const answers = await together(world, INSTANCES);
      assert.is(died, deaths.length);
      const failed = lambda.calls.filter(({ outcome }) => outcome !== 'returned');
      // Its own call dies with an instance, and no other.
      assert.equal(
        failed.map(({ outcome }) => outcome),
        deaths.map(() => 'ended'),
        logOf(lambda),
      );
      const answered = answers.filter((answer) => !isDeath(answer));
      assert.is(answered.length, INSTANCES - deaths.length);
      for (const answer of answered) assert.is(answer, digest, logOf(lambda));
    } finally {
      clearInterval(killing);
    }
    // An instance fetches a chunk and looks ahead by four: so much at most of what it had asked for is lost with it.
    const { fetched } = asked(world);
    assert.ok(fetched >= CHUNKS && fetched <= CHUNKS + deaths.length * 5, `${fetched} requests`);
    origin.forget();
    assert.is(await read(), digest);
    assert.is(asked(world).fetched, 0, 'all is kept by now');
  },
);

real('without conditional writes the bytes are right all the same, and it is said', async () => {
  for (const conditions of ['ignored', 'refused'] as const) {
    await using world = await cold(`conditions ${conditions}`);
    world.s3.conditions = conditions;
    for (const answer of await together(world, 3)) assert.is(answer, world.digest, logOf(world.lambda));
    const said = () => world.lambda.output().match(/"leases_unavailable"/g)?.length ?? 0;
    await until('a word of each instance', () => said() >= world.lambda.coldStarts);
    assert.is(said(), world.lambda.coldStarts, 'once an instance');
    assert.equal(leasesLeft(world), []);
  }
});

test.run();
