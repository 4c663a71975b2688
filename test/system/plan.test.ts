import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download } from '../support/client.ts';
import type { Misdeed } from '../support/front.ts';
import { type FunctionUrl, startFunctionUrl } from '../support/function-url.ts';
import { startMinio } from '../support/minio.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startAgent, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { s3Error } from '../support/s3-rules.ts';
import { shared } from '../support/shared.ts';
import { type StrictS3, startStrictS3 } from '../support/strict-s3.ts';
import { functionEnv, s3Env } from '../support/through-function.ts';

const NAME = 'system/plan';
const test = suite(NAME);
const real = need(test, NAME, 'minio');

const CHUNK = 64 * 1024;
const CHUNKS = 64;
const minio = shared(test, startMinio);

interface World extends AsyncDisposable {
  readonly origin: Origin;
  readonly s3: StrictS3;
  readonly lambda: FunctionUrl;
  readonly url: string;
  readonly digest: string;
  /** An agent that has nothing yet reads the whole blob, with a credential when one is given. */
  pull(authorization?: string): Promise<void>;
}

async function world(seed: string, chunks: number): Promise<World> {
  const s3 = await startStrictS3(await minio());
  const origin = await startOrigin();
  const bytes = blobOf(chunks * CHUNK - 7, seed);
  const digest = sha256(bytes);
  const url = origin.put(`/v2/plan/blobs/sha256:${digest}`, bytes);
  const settings = { ...s3Env(s3), DADIP2P_P2PConfig__CacheConfig__ChunkSize: String(CHUNK) };
  const lambda = await startFunctionUrl({ env: (tmp) => functionEnv(origin, tmp, settings) });
  return {
    origin,
    s3,
    lambda,
    url,
    digest,
    async pull(authorization) {
      const options = { origins: [origin.url], chunkSize: '64KiB', agent: { OriginFallback: false } };
      await using agent = await startAgent(options, [lambda.url]);
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await download(through(agent, url), { headers });
      assert.is(answer.status, 200, lambda.output());
      assert.is(answer.digest, digest);
    },
    async [Symbol.asyncDispose]() {
      await lambda[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
      await s3[Symbol.asyncDispose]();
    },
  };
}

/** Bytes of the blob that the function has sent since so many calls. */
const plansSince = ({ lambda }: World, from: number) =>
  lambda.calls.slice(from).filter(({ bodyBytes }) => bodyBytes > 0);

real(
  'a warm pull moves no byte through the function: one plan for 64 chunks, and the bytes from S3',
  async () => {
    await using here = await world('warm', CHUNKS);
    await here.pull('Bearer of-somebody');
    const calls = here.lambda.calls.length;
    here.origin.forget();
    here.s3.forget();
    await here.pull('Bearer of-somebody');
    const plans = plansSince(here, calls);
    assert.is(plans.length, 1);
    assert.ok((plans[0]?.bodyBytes ?? 0) < 64 * 1024, `${plans[0]?.bodyBytes}`);
    assert.is(here.origin.bytesSent, 0);
    const read = here.s3.hits.filter(({ method, bytes }) => method === 'GET' && bytes >= CHUNK - 7);
    assert.is(read.length, CHUNKS);
    for (const { headers } of read) assert.is(headers.authorization, undefined);
  },
);

real(
  'a planned chunk that S3 does not give as it should be comes from the root, the others from S3',
  async () => {
    await using here = await world('faults', 12);
    await here.pull();
    const faults: Misdeed[] = [
      { corrupt: 1000 },
      { cutAfterBytes: 1000 },
      { reset: true },
      s3Error('ExpiredPresign'),
    ];
    for (const [n, fault] of faults.entries()) {
      // Once, for the agent: the root reads that chunk as it is.
      here.s3.faults = [{ on: new RegExp(`^GET [^?]*/${2 * n + 1}\\?`), times: 1, ...fault }];
      const calls = here.lambda.calls.length;
      await here.pull();
      assert.is(plansSince(here, calls).length, 2, 'a plan, and a call for the bad chunk');
    }
  },
);

test.run();
