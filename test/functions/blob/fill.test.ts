import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../../functions/blob/chunk.ts';
import { MemoryStore } from '../../../functions/blob/memory.ts';
import type { Source, Upstream } from '../../../functions/blob/upstream.ts';
import { formatContentDigest } from '../../../functions/protocol/digest.ts';
import type { ErrorCode } from '../../../functions/protocol/errors.ts';
import { blobOf, sha256, virtualBlob } from '../../support/blob-of.ts';
import type { Fault } from '../../support/fault.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { CHUNK, digestPath, openReader, originUpstream, readBroken, readSpan } from '../../support/reader.ts';
import { rejects } from '../../support/rejects.ts';
import { pickFrom, seeded } from '../../support/seeded.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('functions/blob/fill');

const SIZE = 4 * CHUNK + 123;
const BYTES = blobOf(SIZE, 'faults');
/** No look-ahead: so that the fault meets the request it is meant for. */
const IN_ORDER = { lookAhead: { perRead: 0, total: 0 } };

/** Time runs out only for those that wait in vain: of the others a busy machine may take long. */
const hangs = (fault: Fault): boolean => 'stallAfterBytes' in fault || (fault.delayMs ?? 0) >= 60_000;
const limitsFor = (fault: Fault) =>
  hangs(fault)
    ? { limits: { firstByteMs: 1_000, idleMs: 1_000 } }
    : { limits: { firstByteMs: 60_000, idleMs: 60_000 } };

const same = (got: Uint8Array, wanted: Uint8Array) => {
  assert.is(got.length, wanted.length);
  assert.is(sha256(got), sha256(wanted));
};

const rangesOf = (origin: Origin) => origin.hits.map(({ headers }) => headers.range);
const rangeOf = (start: number, end: number) => `bytes=${start}-${end - 1}`;

/** What a reply may do wrong and the client still gets every byte, when the next reply is good. */
const RECOVERED: Readonly<Record<string, Fault>> = {
  'answers 500': { status: 500 },
  'answers 503 with Retry-After': { status: 503, headers: { 'retry-after': '1' } },
  'resets the connection': { reset: true },
  'resets it in the middle': { resetAfterBytes: 20_000 },
  'ends the connection in the middle': { cutAfterBytes: 20_001 },
  'ends it before the first byte': { cutAfterBytes: 0 },
  'ends it one byte short': { cutAfterBytes: 100 },
  'never answers': { delayMs: 60_000 },
  'stalls in the middle': { stallAfterBytes: 30_000 },
  'sends a well-formed body that is short': { shortBody: 1000 },
  'sends an empty body': { shortBody: 0 },
  'sends a short body without a length': { shortBody: 1000, chunked: true },
  'sends a short body that ends with the connection': { shortBody: 1000, untilClose: true },
  'sends a byte too many': { extraBytes: 1 },
  'sends a byte too many without a length': { extraBytes: 1, chunked: true },
  'sends another range than was asked': { contentRange: `bytes ${CHUNK}-${2 * CHUNK - 1}/${SIZE}` },
  'sends a range of another size': { contentRange: `bytes 0-99/${SIZE}` },
  'sends a range without a total': { contentRange: `bytes 0-${CHUNK - 1}/*` },
  'sends a Content-Range that is none': { contentRange: 'chapters 1-2/3' },
  'sends 206 without a Content-Range': { headers: { 'content-range': null } },
  'compresses a part': { gzip: true },
  'answers 204': { status: 204 },
  'answers 408': { status: 408 },
  'redirects to nowhere': { redirect: 'ftp://127.0.0.1/x' },
};

const BOTH = [
  ['the first reply', 0],
  ['a later reply', 2],
] as const;

for (const [name, fault] of Object.entries(RECOVERED)) {
  // A limit on time takes undici a second to notice: once is enough.
  for (const [when, good] of hangs(fault) ? ([['a later reply', 2]] as const) : BOTH) {
    test(`reads all bytes right, and keeps none wrong, when ${when} ${name}`, async () => {
      // DadiP2P took a 200 for any range, and cached what it got of a broken body.
      await using origin = await startOrigin({ faults: [...Array(good).fill({}), fault] });
      await using kit = openReader({ ...IN_ORDER, ...limitsFor(fault) });
      const url = origin.put('/blob', BYTES, { headers: { 'cache-control': 'max-age=60' } });
      same(await kit.read(url), BYTES);
      await kit.reader.settled();
      assert.equal(origin.faults, [], 'the fault did not strike');
      origin.forget();
      same(await kit.read(url), BYTES);
      assert.is(origin.hits.length, 0);
    });
  }
}

for (const [name, fault] of Object.entries({
  'trickles a few bytes at a time': { trickle: { bytes: 9_000, everyMs: 2 } },
  'sends a part without its length': { chunked: true },
  'ends each part with the connection': { untilClose: true },
  'is slow to start': { delayMs: 100 },
} satisfies Record<string, Fault>)) {
  test(`reads all bytes right from an origin that always ${name}`, async () => {
    await using origin = await startOrigin({ always: fault });
    await using kit = openReader(limitsFor(fault));
    same(await kit.read(origin.put('/blob', BYTES)), BYTES);
    assert.equal(kit.told.failures, []);
  });
}

for (const [name, fault, code] of [
  ['answers 500', { status: 500 }, 'UPSTREAM_FAILED'],
  ['resets the connection', { reset: true }, 'UPSTREAM_UNREACHABLE'],
  ['never answers', { delayMs: 60_000 }, 'UPSTREAM_TIMEOUT'],
  ['sends no byte of a body', { cutAfterBytes: 0 }, 'UPSTREAM_TRUNCATED'],
  ['sends another range', { contentRange: `bytes 5-${CHUNK + 4}/${SIZE}` }, 'UPSTREAM_MISMATCHED'],
  ['answers 404', { status: 404 }, 'UPSTREAM_REFUSED'],
  ['answers 401', { status: 401 }, 'UPSTREAM_REFUSED'],
  ['answers 403', { status: 403 }, 'UPSTREAM_REFUSED'],
  ['answers 429', { status: 429 }, 'UPSTREAM_REFUSED'],
] as const satisfies readonly (readonly [string, Fault, ErrorCode])[]) {
  test(`gives right bytes and then breaks off with ${code} when the origin ${name} half-way and stays so`, async () => {
    await using origin = await startOrigin({ faults: [{}, {}] });
    await using kit = openReader({ ...IN_ORDER, ...limitsFor(fault) });
    const url = origin.put('/blob', BYTES, { headers: { 'cache-control': 'max-age=60' } });
    origin.always = fault;
    const { bytes, error } = await readBroken(await kit.open(url));
    await rejects(code, Promise.reject(error));
    same(bytes, BYTES.subarray(0, 2 * CHUNK));
    await kit.reader.settled();
    origin.always = {};
    origin.forget();
    same(await kit.read(url), BYTES);
    // After 401 and 403 what is cached is not public any more, until the origin has been asked.
    assert.equal(rangesOf(origin).filter(Boolean), [
      rangeOf(2 * CHUNK, 3 * CHUNK),
      rangeOf(3 * CHUNK, 4 * CHUNK),
      rangeOf(4 * CHUNK, SIZE),
    ]);
  });
}

for (const fault of [{ cutAfterBytes: 20_000 }, { stallAfterBytes: 20_000 }] as const) {
  test(`takes up a chunk at the byte where it broke: ${Object.keys(fault)[0]}`, async () => {
    await using origin = await startOrigin({ faults: [{}, fault, { cutAfterBytes: 20_000 }] });
    await using kit = openReader({ ...IN_ORDER, ...limitsFor(fault) });
    same(await kit.read(origin.put('/blob', BYTES)), BYTES);
    assert.equal(rangesOf(origin).slice(1, 4), [
      rangeOf(CHUNK, 2 * CHUNK),
      rangeOf(CHUNK + 20_000, 2 * CHUNK),
      rangeOf(CHUNK + 40_000, 2 * CHUNK),
    ]);
    assert.is(origin.bytesSent, SIZE);
  });
}

test('goes on over more breaks than the origin is asked for at one go, as long as bytes come', async () => {
  await using origin = await startOrigin({ always: { cutAfterBytes: 16 * 1024 } });
  await using kit = openReader(IN_ORDER);
  const bytes = blobOf(CHUNK, 'many breaks');
  same(await kit.read(origin.put('/blob', bytes)), bytes);
});

test('does not go on for ever with an origin that gives a byte at a time', async () => {
  await using origin = await startOrigin({ always: { cutAfterBytes: 1 } });
  await using kit = openReader(IN_ORDER);
  const { bytes, error } = await readBroken(await kit.open(origin.put('/blob', blobOf(CHUNK, 'crumbs'))));
  await rejects('UPSTREAM_TRUNCATED', Promise.reject(error));
  assert.ok(bytes.length < 100);
});

for (const [name, change] of [
  ['its ETag', (origin: Origin) => origin.put('/blob', blobOf(SIZE, 'b'), { etag: 'b' })],
  ['its size alone', (origin: Origin) => origin.put('/blob', blobOf(SIZE + 1, 'b'), { etag: 'a' })],
  ['to something shorter than what was read', (origin: Origin) => origin.put('/blob', blobOf(10, 'b'))],
  ['its ETag to a weak one', (origin: Origin) => origin.put('/blob', blobOf(SIZE, 'b'), { etag: 'W/a' })],
] as const) {
  test(`breaks off when a blob changes ${name} half-way, and reads it anew from the first byte`, async () => {
    await using origin = await startOrigin();
    await using kit = openReader(IN_ORDER);
    const url = origin.put('/blob', BYTES, { etag: 'a' });
    const blob = await kit.open(url);
    same(await readSpan(blob, { start: 0, end: CHUNK }), BYTES.subarray(0, CHUNK));
    await kit.reader.settled();
    change(origin);
    await rejects('ORIGIN_CHANGED', readSpan(blob));
    const whole = await kit.read(url);
    assert.is(sha256(whole), sha256(blobOf(whole.length, 'b')));
  });
}

test('does not believe another size of a digest-named blob, and asks elsewhere', async () => {
  await using origin = await startOrigin();
  await using kit = openReader(IN_ORDER);
  const path = digestPath(sha256(BYTES));
  const url = origin.put(path, BYTES);
  origin.faults.push({}, { headers: { 'content-range': `bytes ${CHUNK}-${2 * CHUNK - 1}/999999` } });
  same(await kit.read(url), BYTES);
  assert.is(kit.told.failures[0]?.fields.code, 'UPSTREAM_MISMATCHED');
});

test('asks for bytes as they are', async () => {
  await using origin = await startOrigin();
  await using kit = openReader();
  await kit.read(origin.put('/blob', BYTES));
  for (const { headers } of origin.hits) assert.is(headers['accept-encoding'], 'identity');
});

test('reads a blob right from an origin that ignores Range, in one transfer', async () => {
  // DadiP2P read a 200 from its first byte, whatever offset it had asked for, and cached that.
  await using origin = await startOrigin({ always: { ignoreRange: true } });
  await using kit = openReader();
  const url = origin.put('/blob', BYTES, { headers: { 'cache-control': 'max-age=60' } });
  same(await kit.read(url), BYTES);
  await kit.reader.settled();
  assert.is(origin.hits.length, 1);
  assert.is(origin.bytesSent, SIZE);
  origin.forget();
  same(await kit.read(url), BYTES);
  assert.is(origin.hits.length, 0);
});

test('reads any span right from an origin that ignores Range, with many at once', async () => {
  await using origin = await startOrigin({ always: { ignoreRange: true } });
  await using kit = openReader();
  const random = seeded('rangeless');
  const url = origin.put('/blob', BYTES);
  const spans = Array.from({ length: 12 }, () => {
    const start = Math.floor(random() * SIZE);
    return { start, end: start + 1 + Math.floor(random() * (SIZE - start)) };
  });
  const reads = await Promise.all(spans.map((span) => kit.read(url, span)));
  for (const [n, { start, end }] of spans.entries()) {
    same(reads[n] as Buffer, BYTES.subarray(start, end));
  }
});

test('leaves the origin connections to ask on, however many blobs without ranges were read in part', async () => {
  // Each kept a connection; when as many as the pool has were read, nothing of that origin could be had.
  await using origin = await startOrigin({ always: { ignoreRange: true } });
  await using kit = openReader({ limits: { firstByteMs: 2_000 } });
  const read = async () => {
    for (let n = 0; n < 70; n += 1) {
      const url = origin.put(`/${n}`, BYTES);
      await kit.read(url, { start: CHUNK, end: CHUNK + 1 });
    }
    return 'read';
  };
  const late = once(AbortSignal.timeout(PATIENCE_MS), 'abort').then(() => 'waiting for a connection');
  assert.is(await Promise.race([read(), late]), 'read');
});

test('reads a blob without ranges in two transfers for two readers that take turns', async () => {
  // Each overtook the other, and the origin sent from byte 0 again for every chunk.
  const bytes = blobOf(12 * CHUNK, 'turns');
  await using origin = await startOrigin({ always: { ignoreRange: true } });
  await using kit = openReader(IN_ORDER);
  const blob = await kit.open(origin.put('/blob', bytes));
  const halves = [0, 6 * CHUNK].map((start) => ({
    pieces: blob.read({ start, end: start + 6 * CHUNK }, AbortSignal.timeout(PATIENCE_MS)),
    got: [] as Buffer[],
  }));
  for (let over = 0; over < halves.length; ) {
    over = 0;
    for (const { pieces, got } of halves) {
      const { value, done } = await pieces.next();
      if (done) over += 1;
      else got.push(Buffer.from(value));
    }
  }
  same(Buffer.concat(halves.flatMap(({ got }) => got)), bytes);
  assert.is(origin.hits.length, 2);
});

test('reads a blob right from an origin that ignores Range and breaks off', async () => {
  await using origin = await startOrigin({ always: { ignoreRange: true } });
  await using kit = openReader({ ...IN_ORDER, ...limitsFor({ stallAfterBytes: 1 }) });
  const url = origin.put('/blob', BYTES);
  origin.faults.push(
    { ignoreRange: true, cutAfterBytes: CHUNK + 10 },
    { ignoreRange: true, stallAfterBytes: 3 * CHUNK },
  );
  same(await kit.read(url), BYTES);
});

test('reads a blob right from an origin that ignores Range only now and then', async () => {
  await using origin = await startOrigin();
  await using kit = openReader(IN_ORDER);
  const random = seeded('sometimes');
  origin.faults.push(
    ...Array.from({ length: 40 }, () => pickFrom<Fault>(random, [{}, { ignoreRange: true }])),
  );
  for (let round = 0; round < 5; round += 1) {
    const url = origin.put(`/${round}`, BYTES, { etag: String(round) });
    same(await kit.read(url), BYTES);
  }
});

test('does not call a blob whole that an origin without ranges ends short of its length', async () => {
  await using origin = await startOrigin({ always: { ignoreRange: true, cutAfterBytes: 2 * CHUNK } });
  await using kit = openReader(IN_ORDER);
  const { bytes, error } = await readBroken(await kit.open(origin.put('/blob', BYTES)));
  assert.ok(error instanceof Error);
  same(bytes, BYTES.subarray(0, bytes.length));
  assert.ok(bytes.length < SIZE);
});

test('reads right bytes, and the same ones from the cache, whatever mix of faults an origin shows', async () => {
  const faults: Fault[] = [
    {},
    {},
    { status: 503 },
    { cutAfterBytes: 30_000 },
    { resetAfterBytes: 10_000 },
    { shortBody: 77 },
    { extraBytes: 3 },
    { ignoreRange: true },
    { chunked: true },
    { contentRange: `bytes 1-2/${SIZE}` },
    { gzip: true },
    { ignoreRange: true, cutAfterBytes: 100_000 },
  ];
  for (let seed = 0; seed < 6; seed += 1) {
    const random = seeded(seed);
    await using origin = await startOrigin({
      faults: Array.from({ length: 8 }, () => pickFrom(random, faults)),
    });
    const store = new MemoryStore({ maxBytes: 8 * MiB });
    await using kit = openReader({ store, ...limitsFor({}) });
    const url = origin.put(seed % 2 ? '/blob' : digestPath(sha256(BYTES)), BYTES, {
      headers: { 'cache-control': 'max-age=60' },
    });
    const blob = await kit.reader.open(kit.ask(url)).catch(() => undefined);
    if (blob !== undefined) {
      const { bytes } = await readBroken(blob);
      same(bytes, BYTES.subarray(0, bytes.length));
    }
    await kit.reader.settled();
    origin.faults.length = 0;
    same(await kit.read(url), BYTES);
  }
});

/** Sources with names, each an origin of its own that holds the same blob at the same path. */
function sourcesOf(upstream: Upstream, origins: readonly Origin[]): Upstream {
  return {
    *sources() {
      for (const [n, origin] of origins.entries()) {
        yield {
          name: `origin ${n}`,
          kind: 'origin',
          open: (query, signal) => {
            const { pathname } = new URL(query.address.url);
            const address = { ...query.address, url: origin.url + pathname };
            const [source] = upstream.sources(address);
            return (source as Source).open({ ...query, address }, signal);
          },
        };
      }
    },
  };
}

test('goes to the next source with what is lacking, and back to none that failed for good', async () => {
  await using first = await startOrigin({ faults: [{}] });
  await using second = await startOrigin();
  first.put('/blob', BYTES, { etag: 'x' });
  second.put('/blob', BYTES, { etag: 'x' });
  first.always = { cutAfterBytes: 5_000 };
  await using origins = originUpstream();
  await using kit = openReader({ ...IN_ORDER, upstream: sourcesOf(origins.upstream, [first, second]) });
  same(await kit.read(`${first.url}/blob`), BYTES);
  for (const range of rangesOf(second)) {
    const [, start] = /bytes=(\d+)-/.exec(range ?? '') ?? [];
    assert.is(Number(start) % CHUNK, 5_000);
  }
});

/** Two origins that hold the same blob, asked in this order, with its chunks known and none of them kept. */
async function sealedAt(bytes: Uint8Array) {
  const first = await startOrigin();
  const second = await startOrigin();
  const path = digestPath(sha256(bytes));
  const url = first.put(path, bytes);
  second.put(path, bytes);
  const origins = originUpstream();
  const store = new MemoryStore({ maxBytes: 8 * MiB });
  const upstream = sourcesOf(origins.upstream, [first, second]);
  const kit = openReader({ ...IN_ORDER, store, upstream });
  same(await kit.read(url), bytes);
  await kit.reader.settled();
  const { facts } = await kit.open(url);
  const lose = async () => {
    for (let index = 0; index * CHUNK < bytes.length; index += 1) {
      const wrong = { bytes: Buffer.from('lost'), sha256: sha256(Buffer.from('lost')) };
      await store.write({ key: facts.key, chunkBytes: CHUNK, index }, wrong);
    }
    kit.told.failures.length = 0;
    first.forget();
    second.forget();
  };
  await lose();
  return {
    ...{ first, second, kit, url, lose },
    blamed: () =>
      kit.told.failures.flatMap(({ event, fields }) =>
        event === 'chunk_corrupt' && 'source' in fields ? [fields.source] : [],
      ),
    async [Symbol.asyncDispose]() {
      for (const each of [kit, origins, first, second]) await each[Symbol.asyncDispose]();
    },
  };
}

/** Within the last 32 KiB of a read, so that nothing of the chunk is seen before it is verified. */
const SMALL = { start: CHUNK + 10, end: CHUNK + 20 };

test('asks another source for a chunk whose bytes are wrong, and the reader notices nothing', async () => {
  // A flipped bit at one source reached the client as a failure, with a good source beside it.
  await using at = await sealedAt(BYTES);
  at.first.always = { corrupt: CHUNK + 5 };
  same(await at.kit.read(at.url, SMALL), BYTES.subarray(SMALL.start, SMALL.end));
  assert.equal(at.blamed(), ['origin 0']);
  assert.is(at.second.hits.length, 1);
});

test('asks a source that sent wrong bytes once more when there is none other, and not out of a cache', async () => {
  await using at = await sealedAt(BYTES);
  at.second.always = { status: 503 };
  at.first.faults.push({ corrupt: CHUNK + 5 });
  same(await at.kit.read(at.url, SMALL), BYTES.subarray(SMALL.start, SMALL.end));
  assert.equal(at.blamed(), ['origin 0']);
  assert.equal(
    at.first.hits.map(({ headers }) => headers['cache-control']),
    [undefined, 'no-cache'],
  );
});

test('asks each source for a chunk twice at most, keeps none of it, and has it when one is well again', async () => {
  await using at = await sealedAt(BYTES);
  at.first.always = { corrupt: CHUNK + 5 };
  at.second.always = { corrupt: CHUNK + 6 };
  const error = await rejects('UPSTREAMS_EXHAUSTED', at.kit.read(at.url, SMALL));
  await rejects('CHUNK_CORRUPT', Promise.reject(error.cause));
  assert.equal([at.first.hits.length, at.second.hits.length], [2, 2]);
  assert.equal(at.blamed(), ['origin 0', 'origin 1', 'origin 0', 'origin 1']);
  at.second.always = {};
  same(await at.kit.read(at.url, SMALL), BYTES.subarray(SMALL.start, SMALL.end));
});

test('breaks a read that has seen bytes of a wrong chunk', async () => {
  await using at = await sealedAt(BYTES);
  at.first.always = { corrupt: 5, stallAfterBytes: CHUNK / 2, stallMs: 100 };
  const { bytes, error } = await readBroken(await at.kit.open(at.url));
  await rejects('CHUNK_CORRUPT', Promise.reject(error));
  assert.ok(bytes.length < SIZE);
  at.first.always = {};
  same(await at.kit.read(at.url), BYTES);
});

test('reads a blob of one chunk right when only one source has the bytes of its digest', async () => {
  for (const [good, bad] of [
    [{}, { corrupt: 5 }],
    [{ ignoreRange: true }, { ignoreRange: true, corrupt: 5 }],
  ] satisfies (readonly [Fault, Fault])[]) {
    await using first = await startOrigin({ always: bad });
    await using second = await startOrigin({ always: good });
    const bytes = blobOf(1000, 'one chunk');
    const path = digestPath(sha256(bytes));
    const url = first.put(path, bytes);
    second.put(path, bytes);
    await using origins = originUpstream();
    await using kit = openReader({ upstream: sourcesOf(origins.upstream, [first, second]) });
    same(await kit.read(url), bytes);
    assert.is(second.hits.length, 1);
  }
});

test('fails with DIGEST_MISMATCH when no source has the bytes of the digest', async () => {
  await using origin = await startOrigin({ always: { corrupt: 5 } });
  await using kit = openReader();
  const bytes = blobOf(1000, 'nowhere');
  await rejects('DIGEST_MISMATCH', kit.read(origin.put(digestPath(sha256(bytes)), bytes)));
  origin.always = {};
  same(await kit.read(`${origin.url}${digestPath(sha256(bytes))}`), bytes);
});

/** Two roots that hold the same blob of one chunk; the first says this of the chunk's digest. */
async function rootsSaying(contentDigest: string | string[], bytes: Uint8Array) {
  const first = await startOrigin({ always: { headers: { 'content-digest': contentDigest } } });
  const second = await startOrigin();
  const url = first.put('/blob', bytes, { etag: 'x' });
  second.put('/blob', bytes, { etag: 'x' });
  const { http, ...origins } = originUpstream();
  const sourceOf = (origin: Origin, name: string): Source => ({
    ...{ name, kind: 'root' },
    open: ({ method, headers }, signal) =>
      http.request({ url: `${origin.url}/blob`, method, headers }, signal),
  });
  const upstream: Upstream = { sources: () => [sourceOf(first, 'first'), sourceOf(second, 'second')] };
  const kit = openReader({ ...IN_ORDER, upstream });
  return {
    ...{ first, second, kit, url },
    async [Symbol.asyncDispose]() {
      for (const each of [kit, origins, first, second]) await each[Symbol.asyncDispose]();
    },
  };
}

const ONE_CHUNK = blobOf(1000, 'one chunk with a digest');
const RIGHT = formatContentDigest(sha256(ONE_CHUNK));
const WRONG = formatContentDigest(sha256(Buffer.from('something else')));
const SHA512 = `sha-512=:${Buffer.alloc(64, 7).toString('base64')}:`;

for (const [name, said] of Object.entries({
  'that is right': RIGHT,
  'beside one of another algorithm': `${SHA512}, ${RIGHT}`,
  'beside one of another algorithm, in lines of their own': [SHA512, RIGHT],
  'with a parameter': `${RIGHT};p=1`,
  'of another algorithm alone': SHA512,
  'in hex': `sha-256=${sha256(ONE_CHUNK)}`,
  'of too few bytes': 'sha-256=:AAAA:',
  'without its colons': WRONG.replaceAll(':', ''),
  'of an unknown algorithm that ends alike': `x${WRONG}`,
  'that is empty': 'sha-256=::',
})) {
  test(`reads a chunk from the first root that gives it a digest ${name}`, async () => {
    await using at = await rootsSaying(said, ONE_CHUNK);
    same(await at.kit.read(at.url), ONE_CHUNK);
    assert.equal(at.kit.told.failures, []);
    assert.is(at.second.hits.length, 0);
  });
}

for (const [name, said] of Object.entries({
  'wrong digest': WRONG,
  'wrong digest beside one of another algorithm': [SHA512, WRONG],
})) {
  test(`reads a chunk from the next root when the first gives it a ${name}`, async () => {
    // The bytes were right as far as anyone could tell, and the client got an error.
    await using at = await rootsSaying(said, ONE_CHUNK);
    same(await at.kit.read(at.url), ONE_CHUNK);
    assert.equal(
      at.kit.told.failures.map(({ event, fields }) => [event, fields.source]),
      [['chunk_corrupt', 'first']],
    );
    await using alone = await rootsSaying(said, ONE_CHUNK);
    alone.second.always = { status: 503 };
    await rejects('UPSTREAMS_EXHAUSTED', alone.kit.read(alone.url));
    assert.is(alone.first.hits.length, 2);
  });
}

test('fills a chunk of 4 MiB that breaks at every place of a list, each byte in its place', async () => {
  const size = 4 * MiB;
  const blob = virtualBlob(size, 'large chunk');
  await using origin = await startOrigin({
    faults: [1, 16_384, 65_536, 1_000_000].map((bytes) => ({ cutAfterBytes: bytes })),
  });
  await using kit = openReader({ chunkBytes: size });
  assert.is(sha256(await kit.read(origin.put('/blob', blob))), sha256(blob));
});

test.run();
