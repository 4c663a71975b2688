import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PLAN_TYPE, parsePlan } from '../../functions/protocol/plan.ts';
import { blobOf, sha256, virtualBlob } from '../support/blob-of.ts';
import { type Ask, get, type WholeAnswer } from '../support/client.ts';
import { eachCase } from '../support/each-case.ts';
import { aria2, curl, wget } from '../support/file-clients.ts';
import { type FunctionUrl, startFunctionUrl } from '../support/function-url.ts';
import { startMinio } from '../support/minio.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';
import { startStrictS3 } from '../support/strict-s3.ts';
import { tempDir } from '../support/temp-dir.ts';
import { functionEnv, s3Env, startAgentOf } from '../support/through-function.ts';

const NAME = 'system/function-clients';
const test = suite(NAME);
const real = need(test, NAME, 'minio', 'curl', 'wget', 'aria2c');

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const CHUNK = 4 * MiB;
// What a function may return (AWS Lambda quotas).
const MAX_PAYLOAD_BYTES = 6_291_556;
const FRESH = { headers: { 'cache-control': 'max-age=600' } };

const SIZE = 10 * GiB + 12_345;
const sparse = virtualBlob(SIZE, 'ten gibibytes');
/** Larger than a reply, and small enough to be read whole. */
const FILE = blobOf(9_000_000, 'a file');

interface World extends AsyncDisposable {
  readonly origin: Origin;
  readonly lambda: FunctionUrl;
  /** Where the function serves a path of the origin. */
  url(path: string): string;
}

const world = shared<World>(test, async () => {
  const s3 = await startMinio();
  const strict = await startStrictS3(s3);
  const origin = await startOrigin();
  origin.put('/sparse', sparse, FRESH);
  origin.put('/file', FILE, FRESH);
  const lambda = await startFunctionUrl({ env: (tmp) => functionEnv(origin, tmp, s3Env(strict)) });
  return {
    origin,
    lambda,
    url: (path) => `${lambda.url}/dadip2p/${origin.url}${path}`,
    async [Symbol.asyncDispose]() {
      for (const each of [lambda, origin, strict, s3]) await each[Symbol.asyncDispose]();
    },
  };
});

/** Every call was answered by the function itself, within what the platform takes. */
function allFit({ calls, output }: FunctionUrl): void {
  const wrong = calls.filter(({ payloadBytes }) => !(payloadBytes > 0 && payloadBytes <= MAX_PAYLOAD_BYTES));
  assert.equal(wrong, [], output());
}

/** Asks, and goes once where it is sent, as clients do. */
async function follow(url: string, ask: Ask): Promise<WholeAnswer> {
  const answer = await get(url, ask);
  return answer.status === 307 ? get(answer.headers.location ?? '', ask) : answer;
}

/** Who asks, by what tells it from others: overlaybd and Go's DadiP2P ask for less than a reply at a time. */
const CLIENTS = {
  'overlaybd, anything else': {},
  DadiP2P: { 'x-p2p-agent': '10.0.0.7:19145' },
} as const;

// Of SIZE bytes, half-open.
const RANGES: Readonly<Record<string, readonly [header: string, start: number, end: number]>> = {
  'the first byte': ['bytes=0-0', 0, 1],
  'the last byte': [`bytes=${SIZE - 1}-`, SIZE - 1, SIZE],
  'the last bytes': ['bytes=-70000', SIZE - 70_000, SIZE],
  'a block of DadiP2P': [`bytes=${5 * GiB}-${5 * GiB + MiB - 1}`, 5 * GiB, 5 * GiB + MiB],
  'its last block': [`bytes=${10 * GiB}-${10 * GiB + MiB - 1}`, 10 * GiB, SIZE],
  'across 4 GiB': [`bytes=${4 * GiB - 3}-${4 * GiB + 2}`, 4 * GiB - 3, 4 * GiB + 3],
  'exactly a chunk': [`bytes=${8 * GiB}-${8 * GiB + CHUNK - 1}`, 8 * GiB, 8 * GiB + CHUNK],
  'as much as fits, across a border': [
    `bytes=${6 * GiB - 5}-${6 * GiB + CHUNK - 6}`,
    6 * GiB - 5,
    6 * GiB + CHUNK - 5,
  ],
};
const TOO_LARGE: Readonly<Record<string, readonly [header: string | undefined, start: number, end: number]>> =
  {
    'a byte more than fits': [`bytes=${7 * GiB}-${7 * GiB + CHUNK}`, 7 * GiB, 7 * GiB + CHUNK + 1],
    'an open end': [`bytes=${SIZE - CHUNK - 1}-`, SIZE - CHUNK - 1, SIZE],
    'a long suffix': [`bytes=-${CHUNK + 7}`, SIZE - CHUNK - 7, SIZE],
  };

const isPart = (answer: WholeAnswer, start: number, end: number): void => {
  assert.is(answer.status, 206, answer.text.slice(0, 300));
  assert.is(answer.headers['content-range'], `bytes ${start}-${end - 1}/${SIZE}`);
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(sparse.at(start, end - start)));
};

real('of a blob of 10 GiB every client has every range, as long as it fits from the function', async () => {
  const { lambda, url } = await world();
  await eachCase(CLIENTS, async (headers) => {
    await eachCase(RANGES, async ([range, start, end]) => {
      isPart(await get(url('/sparse'), { headers: { ...headers, range } }), start, end);
    });
  });
  const head = await get(url('/sparse'), { method: 'HEAD' });
  assert.is(head.status, 200);
  assert.is(head.headers['x-amzn-remapped-content-length'], String(SIZE));
  const beyond = await get(url('/sparse'), { headers: { range: `bytes=${SIZE}-` } });
  assert.is(beyond.status, 416);
  assert.is(beyond.headers['content-range'], `bytes */${SIZE}`);
  const several = await get(url('/sparse'), { headers: { range: `bytes=1-2,${9 * GiB}-${9 * GiB + 9}` } });
  assert.is(several.status, 206);
  assert.ok(several.bytes.includes(sparse.at(9 * GiB, 10)));
  allFit(lambda);
});

real('what does not fit a client has from the origin whole, and a node is told', async () => {
  const { lambda, origin, url } = await world();
  await eachCase(TOO_LARGE, async ([range = '', start, end]) => {
    isPart(await follow(url('/sparse'), { headers: { range } }), start, end);
    const told = await get(url('/sparse'), { headers: { range, ...CLIENTS.DadiP2P } });
    assert.is(told.status, 413);
  });
  const whole = await get(url('/sparse'));
  assert.is(whole.status, 307);
  assert.is(whole.headers.location, `${origin.url}/sparse`);
  allFit(lambda);
});

real(
  'curl, wget and aria2c have the right bytes of a file that fits no reply, whole and resumed',
  async () => {
    const { lambda, url } = await world();
    await using dir = await tempDir();
    const way = { name: 'function', url };
    const file = (name: string) => join(dir.path, name);
    for (const name of ['curl', 'wget'])
      await writeFile(file(`${name}-resumed`), FILE.subarray(0, 3_333_333));
    const runs = {
      curl: await curl(way, '/file', '--output', file('curl')),
      'curl-resumed': await curl(way, '/file', '-C', '-', '--output', file('curl-resumed')),
      wget: await wget(way, '/file', file('wget')),
      'wget-resumed': await wget(way, '/file', file('wget-resumed'), '--continue'),
      aria2c: await aria2(way, '/file', dir.path, 'aria2c'),
    };
    for (const [name, { code, out }] of Object.entries(runs)) {
      assert.is(code, 0, `${name}: ${out}`);
      assert.is(sha256(await readFile(file(name))), sha256(FILE), name);
    }
    const range = ['--range', `${CHUNK - 10}-${CHUNK + 9}`];
    const part = await curl(way, '/file', ...range);
    assert.is(sha256(part.out), sha256(FILE.subarray(CHUNK - 10, CHUNK + 10)));
    allFit(lambda);
  },
);

real('an agent reads across windows of plans beyond 4 GiB, cold and warm, and a file whole', async () => {
  const { lambda, origin, url } = await world();
  // 64 chunks are asked for at a time: 8 GiB is where the next are.
  const [start, end] = [8 * GiB - 2 * CHUNK - 1, 8 * GiB + 2 * CHUNK + 1];
  const headers = { range: `bytes=${start}-${end - 1}` };
  for (const warmth of ['cold', 'warm']) {
    await using agent = await startAgentOf(lambda, origin);
    const before = lambda.calls.length;
    isPart(await get(through(agent, `${origin.url}/sparse`), { headers }), start, end);
    const file = await get(through(agent, `${origin.url}/file`));
    assert.is(file.digest, sha256(FILE), warmth);
    const moved = lambda.calls.slice(before).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
    if (warmth === 'warm') assert.ok(moved < 64 * 1024, `${moved} bytes by way of the function`);
  }
  const asked = { accept: PLAN_TYPE, range: `bytes=${SIZE - 10}-` };
  const plan = parsePlan((await get(url('/sparse'), { headers: asked })).text);
  assert.is(plan?.size, SIZE);
  assert.is(plan?.end, Math.ceil(SIZE / CHUNK));
  allFit(lambda);
});

test.run();
