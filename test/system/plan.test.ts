import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PLAN_TYPE, type Plan, parsePlan } from '../../functions/protocol/plan.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download, get } from '../support/client.ts';
import { eachCase } from '../support/each-case.ts';
import { type FunctionUrl, startFunctionUrl } from '../support/function-url.ts';
import { startMinio } from '../support/minio.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startAgent, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { S3_READ_FAULTS } from '../support/s3-misdeeds.ts';
import { s3Error } from '../support/s3-rules.ts';
import { startSession } from '../support/s3-session.ts';
import { shared } from '../support/shared.ts';
import { type StrictS3, startStrictS3 } from '../support/strict-s3.ts';
import { functionEnv, s3Env } from '../support/through-function.ts';

const NAME = 'system/plan';
const test = suite(NAME);
const real = need(test, NAME, 'minio', 'curl');

const CHUNK = 64 * 1024;
const CHUNKS = 64;
const minio = shared(test, startMinio);

interface World extends AsyncDisposable {
  readonly origin: Origin;
  readonly s3: StrictS3;
  readonly lambda: FunctionUrl;
  readonly url: string;
  readonly digest: string;
  /** An agent that has nothing yet. */
  agent(): Promise<NodeProcess>;
  /** Such an agent reads the whole blob, with a credential when one is given. */
  pull(authorization?: string): Promise<void>;
  /** What the function says of where the blob is. */
  plan(): Promise<Plan>;
}

async function world(
  seed: string,
  chunks: number,
  more: (s3: StrictS3) => Promise<Readonly<Record<string, string | undefined>>> = async () => ({}),
): Promise<World> {
  const s3 = await startStrictS3(await minio());
  const origin = await startOrigin();
  const bytes = blobOf(chunks * CHUNK - 7, seed);
  const digest = sha256(bytes);
  const url = origin.put(`/v2/plan/blobs/sha256:${digest}`, bytes);
  const settings = {
    ...s3Env(s3),
    DADIP2P_P2PConfig__CacheConfig__ChunkSize: String(CHUNK),
    ...(await more(s3)),
  };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  const env = Object.fromEntries(given) as Record<string, string>;
  const lambda = await startFunctionUrl({ env: (tmp) => functionEnv(origin, tmp, env) });
  const agent = () =>
    startAgent({ origins: [origin.url], chunkSize: '64KiB', agent: { OriginFallback: false } }, [lambda.url]);
  return {
    origin,
    s3,
    lambda,
    url,
    digest,
    agent,
    async pull(authorization) {
      await using fresh = await agent();
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await download(through(fresh, url), { headers });
      assert.is(answer.status, 200, lambda.output());
      assert.is(answer.digest, digest);
    },
    async plan() {
      const headers = { accept: PLAN_TYPE, range: `bytes=0-${bytes.length - 1}` };
      const { text } = await get(`${lambda.url}/dadip2p/${url}`, { headers });
      return parsePlan(text) as Plan;
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
  'whatever S3 does wrong with what a plan names, a client has the right bytes, and keeps no others',
  async () => {
    await using here = await world('faults', 12);
    await using agent = await here.agent();
    await eachCase(S3_READ_FAULTS, async (fault, name) => {
      const bytes = blobOf(12 * CHUNK - 7, name);
      const url = here.origin.put(`/v2/plan/blobs/sha256:${sha256(bytes)}`, bytes);
      assert.is((await download(`${here.lambda.url}/dadip2p/${url}`)).digest, sha256(bytes));
      here.origin.forget();
      // Once, for the agent: the root reads that chunk as it is. Of every other chunk, for ever: the root fetches it anew.
      here.s3.faults = [
        { on: /^GET [^?]*\/3\?/, times: 2, ...fault },
        { on: /^GET [^?]*\/[579]\?/, ...fault },
      ];
      const answer = await download(through(agent, url));
      assert.is(answer.status, 200);
      assert.is(answer.digest, sha256(bytes));
      here.s3.faults = [];
      here.s3.forget();
      assert.is((await download(through(agent, url))).digest, sha256(bytes), 'what the agent has kept');
      assert.is(here.s3.hits.length, 0);
      assert.is((await download(`${here.lambda.url}/dadip2p/${url}`)).digest, sha256(bytes), 'what S3 has');
    });
  },
);

real('where neither S3 nor the origin has the bytes, a client is told so', async () => {
  await using here = await world('nowhere', 4);
  await using agent = await here.agent();
  here.s3.faults = [{ on: /./, ...s3Error('InternalError') }];
  here.origin.always = { reset: true };
  const answer = await get(through(agent, here.url));
  assert.is(answer.status, 502, answer.text);
  assert.match(answer.text, /UPSTREAM/);
});

real(
  'a plan promises no more than the session that signs it, and an agent comes right when that has ended',
  async () => {
    const ends = 3_600_000;
    for (const [name, told] of [
      ['told', { AWS_CREDENTIAL_EXPIRATION: new Date(Date.now() + 240_000).toISOString() }],
      ['not told', {}],
    ] as const) {
      await using here = await world(`session ${name}`, 8, async (s3) => {
        const session = await startSession(s3);
        s3.sessions.set(session.AWS_SESSION_TOKEN, Date.now() + ends);
        return {
          ...session,
          ...told,
          DADIP2P_S3__AccessKeyId: undefined,
          DADIP2P_S3__SecretAccessKey: undefined,
        };
      });
      await here.pull();
      const plan = await here.plan();
      assert.is(plan.chunks.length, 8);
      assert.ok(
        plan.lifeSeconds > 0 && plan.lifeSeconds <= (name === 'told' ? 240 : 300),
        `${plan.lifeSeconds} s`,
      );
      // The session ends while URLs that it has signed are out.
      for (const token of here.s3.sessions.keys()) here.s3.sessions.set(token, 0);
      here.s3.forget();
      await here.pull();
      assert.ok(here.s3.hits.some(({ status }) => status === 400));
    }
  },
);

test.run();
