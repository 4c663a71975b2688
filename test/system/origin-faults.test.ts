import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { eachCase, eachCaseAtOnce } from '../support/each-case.ts';
import type { Fault } from '../support/fault.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Pair, SHORT_TIMEOUTS, startPair, through } from '../support/pair.ts';
import { shared } from '../support/shared.ts';

const test = suite('system/origin-faults');

const CHUNK = 64 * 1024;
const SIZE = 4 * CHUNK + 321;

interface Network extends AsyncDisposable {
  readonly origin: Origin;
  readonly pair: Pair;
}

// The agent may ask the root alone: what the client gets has come all the way.
const network = shared<Network>(test, async () => {
  const origin = await startOrigin();
  const pair = await startPair({
    origins: [origin.url],
    root: { Timeouts: SHORT_TIMEOUTS },
    // An agent gives a root twice as long, for the root asks the origin more than once.
    agent: { Timeouts: { Connect: '2s', FirstByte: '8s', Idle: '8s' }, OriginFallback: false },
  });
  return {
    origin,
    pair,
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
});

/** A blob under a name of its own, once by digest and once without. */
function names(origin: Origin, seed: string): { readonly bytes: Buffer; readonly urls: readonly string[] } {
  const bytes = blobOf(SIZE, seed);
  const plain = `/plain/${encodeURIComponent(seed)}`;
  return {
    bytes,
    urls: [origin.put(`/v2/f/blobs/sha256:${sha256(bytes)}`, bytes), origin.put(plain, bytes)],
  };
}

/** What becomes of the requests to come for a URL, in order, or for ever: so that many can be at fault at once. */
function faultsByPath(origin: Origin): Map<string, Fault | Fault[]> {
  const faults = new Map<string, Fault | Fault[]>();
  origin.refuses = ({ url }) => {
    const found = faults.get(origin.url + url);
    return Array.isArray(found) ? found.shift() : found;
  };
  return faults;
}

// What goes wrong with one request, and is then mended: the client never notices.
const HICCUPS: Readonly<Record<string, Fault>> = {
  'an answer of 500': { status: 500 },
  'an answer of 503 with Retry-After': { status: 503, headers: { 'retry-after': '1' } },
  'a reset': { reset: true },
  'a reset in the body': { resetAfterBytes: 30_000 },
  'a cut at the first byte': { cutAfterBytes: 0 },
  'a cut after some bytes': { cutAfterBytes: 20_000 },
  'a cut one byte short': { cutAfterBytes: CHUNK - 1 },
  'a reply that never begins': { delayMs: 60_000 },
  'a stall in the body': { stallAfterBytes: 10_000 },
  'a wrong Content-Range': { contentRange: `bytes 7-${CHUNK + 6}/${SIZE}` },
  'a Content-Range that is none': { contentRange: 'bytes' },
  'a short body, well framed': { shortBody: 1000 },
  'a body with more than was asked': { extraBytes: 10 },
};

// What an origin may do all the time without a byte going wrong.
const HABITS: Readonly<Record<string, Fault>> = {
  'ranges ignored': { ignoreRange: true },
  'no Content-Length, chunked': { chunked: true },
  'no Content-Length, until the connection ends': { untilClose: true },
  'ranges ignored and no Content-Length': { ignoreRange: true, chunked: true },
  'no ETag and no Last-Modified': { headers: { etag: null, 'last-modified': null } },
  'a slow trickle': { trickle: { bytes: 16_384, everyMs: 50 } },
  'forbidden to be stored': { headers: { 'cache-control': 'no-store' } },
};

test('a fault of one request is mended without the client noticing', async () => {
  const { origin, pair } = await network();
  const faults = faultsByPath(origin);
  await eachCaseAtOnce(HICCUPS, async (fault, name) => {
    const { bytes, urls } = names(origin, name);
    const mends = async (url: string) => {
      // The first request and one in the middle.
      faults.set(url, [fault, {}, fault]);
      const answer = await get(through(pair.agent, url));
      assert.is(answer.status, 200, `${url}\n${answer.text.slice(0, 300)}`);
      assert.is(answer.complete, true, url);
      assert.is(answer.digest, sha256(bytes), url);
      faults.delete(url);
      assert.is((await get(through(pair.agent, url))).digest, sha256(bytes), `${url}, again`);
    };
    await Promise.all(urls.map(mends));
  });
  origin.refuses = undefined;
});

test('an origin with odd habits is served right, whole and in ranges', async () => {
  const { origin, pair } = await network();
  await eachCase(HABITS, async (fault, name) => {
    const { bytes, urls } = names(origin, name);
    origin.always = fault;
    for (const url of urls) {
      for (const turn of ['first', 'second']) {
        const answer = await get(through(pair.agent, url));
        assert.is(answer.status, 200, `${turn} ${url}`);
        assert.is(answer.complete, true, `${turn} ${url}`);
        assert.is(answer.digest, sha256(bytes), `${turn} ${url}`);
      }
      const part = await get(through(pair.agent, url), { headers: { range: 'bytes=70000-140000' } });
      const wanted = part.status === 206 ? bytes.subarray(70_000, 140_001) : bytes;
      assert.is(part.digest, sha256(wanted), `${part.status} ${url}`);
    }
    origin.always = {};
  });
  origin.always = {};
});

test('a body that comes gzipped although asked plain reaches the client as it is, and is not cached', async () => {
  const { origin, pair } = await network();
  const url = names(origin, 'gzip').urls[1] as string;
  origin.always = { gzip: true, ignoreRange: true };
  const answer = await get(through(pair.agent, url));
  assert.is(answer.status, 200);
  assert.is(answer.headers['content-encoding'], 'gzip');
  const direct = await get(url);
  assert.is(answer.digest, direct.digest);
  origin.always = {};
  const other = names(origin, 'gzip and back');
  origin.faults.push({ gzip: true, ignoreRange: true });
  const broken = await get(through(pair.agent, other.urls[0] as string));
  // By digest the packed bytes are not the blob: whatever was made of it, nothing wrong stays.
  assert.ok(
    !broken.complete || broken.status !== 200 || isFaithful(broken.headers, broken.digest, other.bytes),
  );
  origin.faults.length = 0;
  assert.is((await get(through(pair.agent, other.urls[0] as string))).digest, sha256(other.bytes));
});

const isFaithful = (headers: { 'content-encoding'?: string | undefined }, digest: string, bytes: Buffer) =>
  headers['content-encoding'] === 'gzip' || digest === sha256(bytes);

test('what the origin refuses passes through unchanged, headers and body too, and is not cached', async () => {
  const { origin, pair } = await network();
  const refusals: Readonly<Record<string, Fault & { readonly status: number }>> = {
    '404': {
      status: 404,
      body: '{"errors":[{"code":"BLOB_UNKNOWN"}]}',
      headers: { 'content-type': 'application/json' },
    },
    '401': {
      status: 401,
      body: 'who?',
      headers: { 'www-authenticate': 'Bearer realm="https://a.test/token",service="r"' },
    },
    '403': { status: 403, body: 'no', headers: { 'x-amz-request-id': 'abc' } },
    '429': { status: 429, body: 'slow down', headers: { 'retry-after': '17', 'ratelimit-remaining': '0' } },
    '410': { status: 410, body: 'gone' },
    '451': { status: 451, body: 'not here' },
  };
  await eachCase(refusals, async (fault, name) => {
    const { bytes, urls } = names(origin, `refused ${name}`);
    for (const url of urls) {
      for (const method of ['GET', 'HEAD']) {
        origin.always = fault;
        origin.forget();
        const answer = await get(through(pair.agent, url), { method });
        assert.is(answer.status, fault.status, `${method} ${url}`);
        for (const [header, value] of Object.entries(fault.headers ?? {})) {
          assert.is(answer.headers[header], value, header);
        }
        assert.is(answer.text, method === 'HEAD' ? '' : fault.body);
        assert.is(answer.headers['x-p2p-error'], undefined, 'it carries no error of ours');
        assert.is(origin.hits.length, 1, 'a refusal is final: it is asked for once');
      }
      origin.always = {};
      assert.is((await get(through(pair.agent, url))).digest, sha256(bytes), url);
    }
  });
  origin.always = {};
});

test('an origin that is down for good gives 502 or 504 and a code, and reads right when it is back', async () => {
  const { origin, pair } = await network();
  const outages: Readonly<Record<string, readonly [Fault, status: number, code: string]>> = {
    'answers 500': [{ status: 500 }, 502, 'UPSTREAM_FAILED'],
    'answers 503': [{ status: 503 }, 502, 'UPSTREAM_FAILED'],
    'resets every connection': [{ reset: true }, 502, 'UPSTREAM_FAILED'],
    'never answers': [{ delayMs: 60_000 }, 502, 'UPSTREAM_FAILED'],
  };
  const faults = faultsByPath(origin);
  await eachCaseAtOnce(outages, async ([fault, status, code], name) => {
    const { bytes, urls } = names(origin, `outage ${name}`);
    const comesBack = async (url: string) => {
      faults.set(url, fault);
      const answer = await get(through(pair.agent, url));
      assert.is(answer.status, status);
      assert.is(answer.headers['x-p2p-error'], code);
      assert.is(answer.complete, true);
      faults.delete(url);
      assert.is((await get(through(pair.agent, url))).digest, sha256(bytes), url);
    };
    await Promise.all(urls.map(comesBack));
  });
  origin.refuses = undefined;
});

test('a blob that stays broken after its first chunk breaks the transfer short, and heals', async () => {
  const { origin, pair } = await network();
  const faults: Readonly<Record<string, Fault>> = {
    'answers 500': { status: 500 },
    'resets every connection': { reset: true },
    'sends a wrong range': { contentRange: `bytes 1-2/${SIZE}` },
    'ends short': { shortBody: 100 },
  };
  const byPath = faultsByPath(origin);
  await eachCaseAtOnce(faults, async (fault, name) => {
    const { bytes, urls } = names(origin, `broken ${name}`);
    const heals = async (url: string) => {
      byPath.set(url, [{}, ...Array<Fault>(1_000).fill(fault)]);
      const answer = await get(through(pair.agent, url));
      assert.is(answer.status, 200);
      assert.is(answer.headers['content-length'], String(SIZE));
      assert.is(answer.complete, false, 'it does not look whole');
      assert.ok(answer.size < SIZE);
      assert.is(answer.digest, sha256(bytes.subarray(0, answer.size)), 'what came is right');
      byPath.delete(url);
      assert.is((await get(through(pair.agent, url))).digest, sha256(bytes), url);
    };
    await Promise.all(urls.map(heals));
  });
  origin.refuses = undefined;
});

test('a size that was a lie breaks the transfer, and is not believed for long', async () => {
  const { origin, pair } = await network();
  const { bytes, urls } = names(origin, 'a lie');
  for (const url of urls) {
    origin.faults.push({ contentRange: `bytes 0-${CHUNK - 1}/${SIZE + 1}` });
    const lied = await get(through(pair.agent, url));
    assert.ok(
      lied.status !== 200 || !lied.complete || lied.digest === sha256(bytes),
      'it does not look whole',
    );
    // One read more may break, where the agent finds out that the root has learned better.
    await get(through(pair.agent, url));
    const answer = await get(through(pair.agent, url));
    assert.is(answer.status, 200, url);
    assert.is(answer.digest, sha256(bytes), url);
  }
});

test('a blob that changes half-way is never mixed of two versions', async () => {
  const { origin, pair } = await network();
  const [old, young] = [blobOf(SIZE, 'version 1'), blobOf(SIZE, 'version 2')];
  const path = '/changing';
  const url = through(pair.agent, origin.put(path, old, { etag: 'one' }));
  let changed = false;
  const answer = await get(url, {
    onPiece() {
      if (changed) return;
      changed = true;
      origin.put(path, young, { etag: 'two' });
    },
  });
  const isOld = answer.digest === sha256(old.subarray(0, answer.size));
  const isYoung = answer.digest === sha256(young.subarray(0, answer.size));
  assert.ok(isOld || isYoung, 'what came is of one version');
  assert.is(answer.complete, answer.size === SIZE);
  // Half of it under one ETag and half under another, then all under the other.
  const bytes = blobOf(SIZE, 'etag');
  const other = origin.put('/etag', bytes, { etag: 'a' });
  origin.faults.push({}, {}, { etag: 'b' }, { etag: 'b' }, { etag: 'b' });
  const mixed = await get(through(pair.agent, other));
  assert.ok(!mixed.complete || mixed.digest === sha256(bytes));
  origin.faults.length = 0;
  origin.put('/etag', young, { etag: 'c' });
  const fresh = await get(through(pair.agent, other), { headers: { 'cache-control': 'no-cache' } });
  assert.is(fresh.digest, sha256(young), 'a client that wants it fresh gets the version of now');
});

test.run();
