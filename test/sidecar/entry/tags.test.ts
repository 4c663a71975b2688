import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Catalog } from '../../../functions/blob/catalog.ts';
import { MiB } from '../../../functions/blob/chunk.ts';
import { MemoryStore } from '../../../functions/blob/memory.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import type { TagQuestion } from '../../../functions/service/ask-tag.ts';
import { Outages } from '../../../sidecar/entry/outages.ts';
import { Tags } from '../../../sidecar/entry/tags.ts';
import { memoryLog } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { eachCase } from '../../support/each-case.ts';
import type { Fault } from '../../support/fault.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { originUpstream, told } from '../../support/reader.ts';
import { rejects } from '../../support/rejects.ts';

const test = suite('sidecar/entry/tags');

const PATH = '/v2/library/app/manifests/latest';
const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const FIRST = Buffer.from('{"schemaVersion":2,"first":true}');
const SECOND = Buffer.from('{"schemaVersion":2,"second":true,"more":1}');
const HOUR = 3_600_000;

/** Has the tag name these bytes; `digest: null` keeps their digest from being told. */
function tagged(
  origin: Origin,
  bytes: Buffer,
  { type = IMAGE, digest = `sha256:${sha256(bytes)}` }: { type?: string; digest?: string | null } = {},
): TagQuestion {
  const headers = { 'content-type': type, ...(digest === null ? {} : { 'docker-content-digest': digest }) };
  const address = parseAddress(origin.put(PATH, bytes, { headers }));
  return { address, accept: IMAGE, authorization: undefined };
}

const named = (bytes: Buffer, type = IMAGE) => ({
  digest: `sha256:${sha256(bytes)}`,
  mediaType: type,
  size: bytes.length,
});

/** Tags over real origins, with a clock of their own. */
function startTags({
  maxStaleMs = HOUR,
  store = new MemoryStore({ maxBytes: MiB }),
  firstByteMs = 5_000,
  patienceMs = 5_000,
} = {}) {
  const origins = originUpstream({ firstByteMs });
  const clock = { ms: 1_000_000 };
  const now = () => clock.ms;
  const rights: string[] = [];
  const { log, lines } = memoryLog();
  const tags = new Tags({
    upstream: origins.upstream,
    catalog: new Catalog(store, told()),
    access: {
      accept(request) {
        rights.push(`${request.right} accepted "${request.credential}"`);
        return { untilMs: 0, publicBy: undefined };
      },
      refuse: (request) => void rights.push(`${request.right} refused "${request.credential}"`),
    },
    outages: new Outages(now),
    maxStaleMs,
    patienceMs,
    self: 'http://self.test:19145',
    log,
    now,
  });
  return { tags, clock, rights, lines, [Symbol.asyncDispose]: () => origins[Symbol.asyncDispose]() };
}

test("asks the origin by one HEAD, with the client's own Accept and credential", async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const question = { ...tagged(origin, FIRST), accept: `${IMAGE}, */*`, authorization: 'Bearer t' };
  assert.equal(await kit.tags.resolve(question), named(FIRST));
  assert.is(origin.hits.length, 1);
  const [{ method, headers }] = origin.hits as [(typeof origin.hits)[0]];
  assert.is(method, 'HEAD');
  assert.is(headers.accept, `${IMAGE}, */*`);
  assert.is(headers.authorization, 'Bearer t');
});

test('asks once for all who ask the same at the same time, in whatever order they list their types', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const question = tagged(origin, FIRST);
  const accepts = [`${IMAGE}, ${INDEX}`, `${INDEX},${IMAGE}`, `${INDEX.toUpperCase()} , ${IMAGE},${IMAGE}`];
  const asked = Array.from({ length: 50 }, (_, n) =>
    kit.tags.resolve({ ...question, accept: accepts[n % 3] as string }),
  );
  for (const answer of await Promise.all(asked)) assert.equal(answer, named(FIRST));
  assert.is(origin.hits.length, 1);
});

test('asks for each credential, and for each set of types, by itself', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const question = tagged(origin, FIRST);
  await Promise.all([
    kit.tags.resolve(question),
    kit.tags.resolve({ ...question, accept: INDEX }),
    kit.tags.resolve({ ...question, accept: undefined }),
    kit.tags.resolve({ ...question, authorization: 'Basic YTpi' }),
    kit.tags.resolve({ ...question, authorization: 'Basic Yzpk' }),
  ]);
  assert.is(origin.hits.length, 5);
});

test('asks again at each pull, so that a tag that moved is seen at once', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  assert.equal(await kit.tags.resolve(tagged(origin, FIRST)), named(FIRST));
  assert.equal(await kit.tags.resolve(tagged(origin, SECOND)), named(SECOND));
});

test('hashes the manifest itself where the origin tells no digest, or knows no HEAD', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  assert.equal(await kit.tags.resolve(tagged(origin, FIRST, { digest: null })), named(FIRST));
  for (const status of [405, 501]) {
    origin.faults.push({ status });
    assert.equal(await kit.tags.resolve(tagged(origin, SECOND)), named(SECOND), String(status));
  }
  assert.equal(
    origin.hits.map(({ method }) => method),
    ['HEAD', 'GET', 'HEAD', 'GET', 'HEAD', 'GET'],
  );
});

test('leaves to the origin what it names by a digest that cannot be checked here', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const sha512 = createHash('sha512').update(FIRST).digest('hex');
  assert.is(await kit.tags.resolve(tagged(origin, FIRST, { digest: `sha512:${sha512}` })), undefined);
});

test('reads no manifest without end', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const huge = blobOf(4 * MiB + 1, 'huge');
  await rejects('UPSTREAM_MISMATCHED', kit.tags.resolve(tagged(origin, huge, { digest: null })));
});

for (const status of [401, 403, 404, 429]) {
  test(`passes the origin's ${status} on, whatever it said before`, async () => {
    await using origin = await startOrigin();
    await using kit = startTags();
    const question = tagged(origin, FIRST);
    await kit.tags.resolve(question);
    origin.faults.push({ status, headers: { 'www-authenticate': 'Bearer realm="https://auth.test"' } });
    const error = await rejects('UPSTREAM_REFUSED', kit.tags.resolve(question));
    assert.is(error.status, status);
    assert.is(error.headers['www-authenticate'], 'Bearer realm="https://auth.test"');
  });
}

test('gives the last answer while the origin cannot be reached, and its age', async () => {
  const away: Record<string, Fault> = {
    'resets the connection': { reset: true },
    'answers 500': { status: 500 },
    'answers 503': { status: 503 },
    'is a page of a portal': { headers: { 'content-type': 'text/html; charset=utf-8' } },
    hangs: { delayMs: 10_000 },
  };
  await eachCase(away, async (fault) => {
    await using origin = await startOrigin();
    await using kit = startTags({ firstByteMs: 100 });
    const question = tagged(origin, FIRST);
    await kit.tags.resolve(question);
    origin.always = fault;
    origin.forget();
    kit.clock.ms += 90_500;
    assert.equal(await kit.tags.resolve(question), { ...named(FIRST), staleSeconds: 90 });
    assert.is(origin.hits.length, 1, 'nobody is kept waiting for another try');
    assert.is(kit.lines.at(-1)?.event, 'tag_served_stale');
  });
});

test('gives the last answer when the origin is too slow, but waits for it where there is none', async () => {
  await using origin = await startOrigin();
  await using kit = startTags({ patienceMs: 100 });
  const question = tagged(origin, FIRST);
  origin.always = { delayMs: 500 };
  assert.equal(await kit.tags.resolve(question), named(FIRST));
  assert.is((await kit.tags.resolve(question))?.staleSeconds, 0);
});

test('spares who asks soon after from finding out, and asks again a little later', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const question = tagged(origin, FIRST);
  await kit.tags.resolve(question);
  origin.always = { status: 502 };
  await kit.tags.resolve(question);
  origin.always = {};
  origin.forget();
  kit.clock.ms += 4_999;
  assert.is((await kit.tags.resolve(question))?.staleSeconds, 4);
  assert.is(origin.hits.length, 0);
  assert.is(kit.lines.filter(({ event }) => event === 'tag_served_stale').length, 2);
  kit.clock.ms += 1;
  assert.equal(await kit.tags.resolve(tagged(origin, SECOND)), named(SECOND));
});

test('tries once, not again and again, when the origin is known to be away', async () => {
  await using origin = await startOrigin({ always: { status: 503 } });
  await using kit = startTags();
  const question = tagged(origin, FIRST);
  await rejects('UPSTREAM_FAILED', kit.tags.resolve(question));
  assert.is(origin.hits.length, 3);
  origin.forget();
  await rejects('UPSTREAM_FAILED', kit.tags.resolve(question));
  assert.is(origin.hits.length, 1);
});

test('takes a refusal for a sign that the origin is back', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const question = tagged(origin, FIRST);
  await kit.tags.resolve(question);
  origin.faults.push({ status: 503 }, { status: 404 });
  assert.is((await kit.tags.resolve(question))?.staleSeconds, 0);
  await rejects('UPSTREAM_REFUSED', kit.tags.resolve({ ...question, accept: INDEX }));
  assert.equal(await kit.tags.resolve(question), named(FIRST));
});

test('gives no answer that is older than it may be', async () => {
  await using origin = await startOrigin();
  await using kit = startTags({ maxStaleMs: HOUR });
  const question = tagged(origin, FIRST);
  await kit.tags.resolve(question);
  origin.always = { status: 503 };
  kit.clock.ms += HOUR - 1;
  assert.is((await kit.tags.resolve(question))?.staleSeconds, 3599);
  kit.clock.ms += 1;
  await rejects('UPSTREAM_FAILED', kit.tags.resolve(question));
});

test('gives no old answer at all where none may be given', async () => {
  await using origin = await startOrigin();
  await using kit = startTags({ maxStaleMs: 0 });
  const question = tagged(origin, FIRST);
  await kit.tags.resolve(question);
  origin.always = { status: 503 };
  await rejects('UPSTREAM_FAILED', kit.tags.resolve(question));
});

test('gives an answer only to the same set of types', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const question = tagged(origin, FIRST);
  await kit.tags.resolve(question);
  origin.always = { status: 503 };
  await rejects('UPSTREAM_FAILED', kit.tags.resolve({ ...question, accept: INDEX }));
});

test('forgets an answer when the origin says that there is none any more, but not when it refuses to say', async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const question = tagged(origin, FIRST);
  await kit.tags.resolve(question);
  for (const status of [401, 403, 429]) {
    origin.faults.push({ status });
    await rejects('UPSTREAM_REFUSED', kit.tags.resolve(question));
  }
  origin.faults.push({ status: 503 });
  assert.is((await kit.tags.resolve(question))?.digest, named(FIRST).digest);
  kit.clock.ms += 5_000;
  origin.faults.push({ status: 404 });
  await rejects('UPSTREAM_REFUSED', kit.tags.resolve(question));
  origin.always = { status: 503 };
  await rejects('UPSTREAM_FAILED', kit.tags.resolve(question));
});

test('has its answers from the store after a restart', async () => {
  await using origin = await startOrigin();
  const store = new MemoryStore({ maxBytes: MiB });
  await using before = startTags({ store });
  const question = tagged(origin, FIRST);
  await before.tags.resolve(question);
  await using after = startTags({ store });
  origin.always = { reset: true };
  assert.is((await after.tags.resolve(question))?.digest, named(FIRST).digest);
});

test("tells what the origin's answer shows of the right to read the repository", async () => {
  await using origin = await startOrigin();
  await using kit = startTags();
  const question = { ...tagged(origin, FIRST), authorization: 'Bearer t' };
  const scope = `${origin.url}/v2/library/app`;
  await kit.tags.resolve(question);
  for (const status of [401, 403, 404, 429]) {
    origin.faults.push({ status });
    await rejects('UPSTREAM_REFUSED', kit.tags.resolve(question));
  }
  assert.equal(kit.rights, [
    `${scope} accepted "Bearer t"`,
    `${scope} refused "Bearer t"`,
    `${scope} refused "Bearer t"`,
  ]);
});

test.run();
