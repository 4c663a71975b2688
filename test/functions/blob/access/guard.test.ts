import { setImmediate } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../../../functions/blob/chunk.ts';
import { MemoryStore } from '../../../../functions/blob/memory.ts';
import { P2PError } from '../../../../functions/protocol/errors.ts';
import { blobOf, sha256 } from '../../../support/blob-of.ts';
import { gate } from '../../../support/gate.ts';
import { challengeOf, DENIED, startPrivateOrigin, UNAUTHORIZED } from '../../../support/private-origin.ts';
import { CHUNK, openReader, originUpstream, readSpan, type TestReader } from '../../../support/reader.ts';
import { rejects } from '../../../support/rejects.ts';
import { PATIENCE_MS } from '../../../support/until.ts';

const test = suite('functions/blob/access/guard');

const BYTES = blobOf(3 * CHUNK + 1, 'private');
const HEX = sha256(BYTES);
const pathIn = (repository: string, hex = HEX) => `/v2/${repository}/blobs/sha256:${hex}`;
const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const same = (read: Buffer, wanted = BYTES) => assert.is(sha256(read), sha256(wanted));
const shown = (error: P2PError) => ({ status: error.status, body: String(Buffer.from(error.body ?? [])) });

const RIGHTS = { alice: ['app'], bob: ['other'], carol: ['app', 'other'] };

/** A blob in the repository `app` that alice has read. */
async function warm(kit: TestReader, origin: Awaited<ReturnType<typeof startPrivateOrigin>>) {
  const url = origin.put(pathIn('app'), BYTES);
  same(await kit.read(url, undefined, as('alice')));
  await kit.reader.settled();
  origin.forget();
  return url;
}

test('serves a hit to who read it just now without a request', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  await using kit = openReader();
  const url = await warm(kit, origin);
  same(await kit.read(url, undefined, as('alice')));
  assert.is(origin.hits.length, 0);
});

test('asks about a credential once, by its own, for all who come with it and for the whole repository', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  await using kit = openReader();
  const url = await warm(kit, origin);
  const second = blobOf(CHUNK, 'second');
  const another = origin.put(pathIn('app', sha256(second)), second);
  same(await kit.read(another, undefined, as('alice')), second);
  await kit.reader.settled();
  origin.forget();
  const both = [
    [url, BYTES],
    [another, second],
  ] as const;
  await Promise.all(
    Array.from({ length: 25 }, () =>
      both.map(async ([layer, bytes]) => same(await kit.read(layer, undefined, as('carol')), bytes)),
    ).flat(),
  );
  assert.equal(
    origin.hits.map(({ method, headers }) => [method, headers.authorization]),
    [['HEAD', 'Bearer carol']],
  );
  assert.is(origin.bytesSent, 0);
  assert.equal(kit.told.checks, ['allowed']);
});

test('gives who is refused the whole answer of the origin, once for all who ask meanwhile', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  await using kit = openReader();
  const url = await warm(kit, origin);
  for (const [part, status, body] of [
    [as('bob'), 403, DENIED],
    [{}, 401, UNAUTHORIZED],
  ] as const) {
    origin.forget();
    const errors = await Promise.all(
      Array.from({ length: 20 }, () => rejects('UPSTREAM_REFUSED', kit.open(url, part))),
    );
    errors.push(await rejects('UPSTREAM_REFUSED', kit.open(url, part)));
    for (const error of errors) assert.equal(shown(error), { status, body });
    const challenge = status === 401 ? challengeOf('app') : undefined;
    for (const error of errors) assert.is(error.headers['www-authenticate'], challenge);
    // HEAD has no body to pass on.
    assert.equal(
      origin.hits.map(({ method }) => method),
      ['HEAD', 'GET'],
    );
  }
  same(await kit.read(url, undefined, as('alice')));
});

test('lets nobody read by the name of a repository what that does not have', async () => {
  await using origin = await startPrivateOrigin({ ...RIGHTS, '': ['public'] });
  await using kit = openReader();
  await warm(kit, origin);
  const own = blobOf(CHUNK, 'own');
  for (const [repository, part] of [
    ['public', {}],
    ['other', as('bob')],
    ['other', as('carol')],
  ] as const) {
    // Theirs to read, and so is what is in it.
    same(await kit.read(origin.put(pathIn(repository, sha256(own)), own), undefined, part), own);
    const error = await rejects('UPSTREAM_REFUSED', kit.open(origin.url + pathIn(repository), part));
    assert.is(error.status, 404);
  }
});

test('lets nobody read what is public by the name of a private repository', async () => {
  await using origin = await startPrivateOrigin({ ...RIGHTS, '': ['public'] });
  await using kit = openReader();
  same(await kit.read(origin.put(pathIn('public'), BYTES)));
  await kit.reader.settled();
  const url = origin.put(pathIn('app'), BYTES);
  assert.is((await rejects('UPSTREAM_REFUSED', kit.open(url))).status, 401);
  assert.is((await rejects('UPSTREAM_REFUSED', kit.open(url, as('bob')))).status, 403);
  origin.forget();
  same(await kit.read(url, undefined, as('alice')));
  same(await kit.read(url, undefined, as('alice')));
  assert.equal(
    origin.hits.map(({ method }) => method),
    ['HEAD'],
  );
});

test('ends a right within Access.Ttl of its end at the origin', async () => {
  await using origin = await startPrivateOrigin({ ...RIGHTS });
  let nowMs = Date.now();
  await using kit = openReader({ now: () => nowMs, access: { ttlMs: 60_000 } });
  const url = await warm(kit, origin);
  origin.rights.alice = [];
  nowMs += 59_999;
  same(await kit.read(url, undefined, as('alice')));
  nowMs += 1;
  assert.is((await rejects('UPSTREAM_REFUSED', kit.open(url, as('alice')))).status, 403);
  origin.rights.alice = ['app'];
  nowMs += 10_000;
  same(await kit.read(url, undefined, as('alice')));
});

test('costs a public blob no request beyond those that fetch it, for a day', async () => {
  await using origin = await startPrivateOrigin({ '': ['app'] });
  let nowMs = Date.now();
  const store = new MemoryStore({ maxBytes: 8 * MiB });
  const kit = openReader({ store, now: () => nowMs });
  const url = origin.put(pathIn('app'), BYTES);
  same(await kit.read(url));
  await kit.reader.settled();
  assert.is(origin.hits.length, 4);
  await using after = openReader({ store, now: () => nowMs });
  nowMs += 86_399_000;
  for (const node of [kit, after]) {
    for (const part of [{}, as('bob')]) same(await node.read(url, undefined, part));
  }
  assert.is(origin.hits.length, 4);
  assert.is(origin.connections > 0, true);
});

test('never tells one asker what another was refused, when they open a blob together', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  await using kit = openReader();
  const url = origin.put(pathIn('app'), BYTES);
  const [arrived, joined] = [gate(), gate()];
  const refuses = origin.refuses;
  origin.refuses = async (request) => {
    if (request.headers.authorization !== 'Bearer expired') return refuses?.(request);
    arrived.open();
    await joined.opened;
    return { status: 401, body: 'an old token' };
  };
  const old = rejects('UPSTREAM_REFUSED', kit.open(url, as('expired')));
  await arrived.opened;
  const good = kit.read(url, undefined, as('alice'));
  const bad = rejects('UPSTREAM_REFUSED', kit.open(url, as('bob')));
  joined.open();
  assert.is(shown(await old).body, 'an old token');
  same(await good);
  assert.is(shown(await bad).body, DENIED);
});

test('goes on with the credential of another reader when the origin refuses the first one half-way', async () => {
  await using origin = await startPrivateOrigin({ ...RIGHTS });
  await using kit = openReader({ lookAhead: { perRead: 0, total: 0 } });
  const url = origin.put(pathIn('app'), BYTES);
  const [alice, carol] = [await kit.open(url, as('alice')), await kit.open(url, as('carol'))];
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const span = { start: CHUNK, end: 2 * CHUNK };
  const [arrived, joined] = [gate(), gate()];
  origin.refuses = async ({ headers }) => {
    if (headers.authorization === 'Bearer carol') return undefined;
    arrived.open();
    await joined.opened;
    return { status: 401, body: 'an old token' };
  };
  const first = alice.read(span, signal);
  const firstPiece = first.next();
  await arrived.opened;
  const read = readSpan(carol, span, signal);
  // By the end of this turn she waits for the same chunk.
  await setImmediate();
  joined.open();
  same(await read, BYTES.subarray(CHUNK, 2 * CHUNK));
  assert.ok((await firstPiece).value);
  await first.return();
  // Alice's right has ended by that all the same.
  origin.forget();
  const error = await rejects('UPSTREAM_REFUSED', kit.open(url, as('alice')));
  assert.is(shown(error).body, 'an old token');
});

test('tells each their own when the origin refuses all who wait for a chunk', async () => {
  await using origin = await startPrivateOrigin({ ...RIGHTS });
  await using kit = openReader({ lookAhead: { perRead: 0, total: 0 } });
  const url = origin.put(pathIn('app'), BYTES);
  const [alice, carol] = [await kit.open(url, as('alice')), await kit.open(url, as('carol'))];
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const [arrived, joined] = [gate(), gate()];
  origin.refuses = async ({ headers }) => {
    arrived.open();
    await joined.opened;
    return { status: 401, body: `not you, ${headers.authorization}` };
  };
  const span = { start: CHUNK, end: 2 * CHUNK };
  const first = alice.read(span, signal).next();
  await arrived.opened;
  const second = carol.read(span, signal).next();
  await setImmediate();
  joined.open();
  await rejects('REFUSED_TO_OTHERS', first);
  await rejects('REFUSED_TO_OTHERS', second);
  for (const token of ['alice', 'carol']) {
    const error = await rejects('UPSTREAM_REFUSED', kit.open(url, as(token)));
    assert.is(shown(error).body, `not you, Bearer ${token}`);
  }
});

for (const fault of [{ reset: true }, { status: 503 }] as const) {
  test(`denies in an outage who has no fresh right: ${Object.keys(fault)[0]}`, async () => {
    await using origin = await startPrivateOrigin(RIGHTS);
    let nowMs = Date.now();
    await using kit = openReader({ now: () => nowMs });
    const url = await warm(kit, origin);
    assert.is((await rejects('UPSTREAM_REFUSED', kit.open(url, as('bob')))).status, 403);
    origin.refuses = undefined;
    origin.always = fault;
    same(await kit.read(url, undefined, as('alice')));
    assert.is((await rejects('UPSTREAM_REFUSED', kit.open(url, as('bob')))).status, 403);
    await rejects('ACCESS_UNPROVEN', kit.open(url, as('carol')));
    await rejects('ACCESS_UNPROVEN', kit.open(url));
    nowMs += 300_000;
    await rejects('ACCESS_UNPROVEN', kit.open(url, as('alice')));
    assert.is((await rejects('UPSTREAM_REFUSED', kit.open(url, as('bob')))).status, 403);
    assert.ok(kit.told.checks.includes('unavailable'));
  });
}

test('asks an origin that is away once in a while, not for everyone who comes', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  let nowMs = Date.now();
  await using kit = openReader({ now: () => nowMs });
  const url = await warm(kit, origin);
  origin.refuses = undefined;
  origin.always = { status: 503 };
  await rejects('ACCESS_UNPROVEN', kit.open(url, as('carol')));
  const asked = origin.hits.length;
  for (const token of ['bob', 'carol', 'dave']) await rejects('ACCESS_UNPROVEN', kit.open(url, as(token)));
  assert.is(origin.hits.length, asked);
  origin.always = {};
  nowMs += 5_000;
  same(await kit.read(url, undefined, as('carol')));
});

test('serves on in an outage with OnOutage stale who was allowed last, and nobody else', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  let nowMs = Date.now();
  await using kit = openReader({ now: () => nowMs, access: { onOutage: 'stale' } });
  const url = await warm(kit, origin);
  nowMs += 86_400_000;
  origin.refuses = undefined;
  origin.always = { status: 503 };
  same(await kit.read(url, undefined, as('alice')));
  await rejects('ACCESS_UNPROVEN', kit.open(url, as('carol')));
});

test('drops nothing at the word of who may not read it', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  await using kit = openReader({ lookAhead: { perRead: 0, total: 0 } });
  const url = origin.put(pathIn('app'), BYTES);
  const part = { start: 0, end: 10 };
  await kit.read(url, part, as('alice'));
  await kit.reader.settled();
  await rejects('UPSTREAM_REFUSED', kit.open(url, { ...as('bob'), doubtful: true }));
  origin.forget();
  same(await kit.read(url, part, as('alice')), BYTES.subarray(0, 10));
  assert.is(origin.hits.length, 0);
  same(await kit.read(url, part, { ...as('alice'), doubtful: true }), BYTES.subarray(0, 10));
  assert.is(origin.hits.length, 1, 'who may read it is believed');
});

test('takes no chain of agents that a client wrote for an outage', async () => {
  await using origin = await startPrivateOrigin({ ...RIGHTS, '': ['public'] });
  await using origins = originUpstream();
  let nowMs = Date.now();
  await using kit = openReader({
    now: () => nowMs,
    access: { onOutage: 'stale' },
    // As a root does that is told that it has asked already.
    upstream: {
      *sources() {
        for (const source of origins.upstream.sources(kit.ask(origin.url).address)) {
          yield {
            ...source,
            open: async (query, signal) => {
              if ('x-p2p-agent' in query.headers) throw new P2PError('LOOP_DETECTED', 'it came back');
              return source.open(query, signal);
            },
          };
        }
      },
    },
  });
  const url = await warm(kit, origin);
  const open = origin.put(pathIn('public'), BYTES);
  same(await kit.read(open));
  await kit.reader.settled();
  // Alice has lost her right, nobody has that to what was public, and both claim that nobody can be asked.
  origin.rights = { carol: ['app'], '': [] };
  nowMs += 2 * 86_400_000;
  const forged = { 'x-p2p-agent': 'root' };
  const alice = { headers: { ...as('alice').headers, ...forged } };
  await rejects('LOOP_DETECTED', kit.open(url, alice));
  await rejects('LOOP_DETECTED', kit.open(open, { headers: forged }));
  // And all others are asked about as ever.
  same(await kit.read(url, undefined, as('carol')));
});

test('denies in an outage whoever was not asked about, also where facts had to be confirmed', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  let nowMs = Date.now();
  await using kit = openReader({ now: () => nowMs });
  // Read in part: what the origin says of the digest is believed for a minute.
  const url = origin.put(pathIn('app'), BYTES);
  const part = { start: 0, end: 10 };
  await kit.read(url, part, as('alice'));
  await kit.reader.settled();
  nowMs += 60_000;
  origin.refuses = undefined;
  origin.always = { status: 503 };
  same(await kit.read(url, part, as('alice')), BYTES.subarray(0, 10));
  const [alice, carol] = [
    kit.read(url, part, as('alice')),
    rejects('ACCESS_UNPROVEN', kit.open(url, as('carol'))),
  ];
  same(await alice, BYTES.subarray(0, 10));
  await carol;
});

test('passes 429 on, and takes it for no word on the right', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  await using kit = openReader();
  const url = await warm(kit, origin);
  const busy = { status: 429, headers: { 'retry-after': '7' }, body: 'slow down' };
  origin.faults.push(busy, busy);
  const error = await rejects('UPSTREAM_REFUSED', kit.open(url, as('carol')));
  assert.is(error.headers['retry-after'], '7');
  same(await kit.read(url, undefined, as('carol')));
});

test('asks by GET where the origin, or what it redirects to, does not take HEAD', async () => {
  for (const status of [403, 405]) {
    await using origin = await startPrivateOrigin(RIGHTS);
    await using kit = openReader();
    const url = await warm(kit, origin);
    origin.refuses = ({ method }) => (method === 'HEAD' ? { status } : undefined);
    same(await kit.read(url, undefined, as('carol')));
    assert.equal(
      origin.hits.map(({ method, headers }) => [method, headers.range]),
      [
        ['HEAD', undefined],
        ['GET', 'bytes=0-0'],
      ],
    );
  }
});

test('does not take a page for leave to read: some servers show one to log in, with 200', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  await using kit = openReader();
  const url = await warm(kit, origin);
  origin.refuses = undefined;
  origin.put(pathIn('app'), Buffer.from('<html>who are you?</html>'), {
    headers: { 'content-type': 'text/html' },
  });
  assert.is(await kit.reader.open(kit.ask(url, as('bob'))), undefined);
  assert.is(await kit.reader.open(kit.ask(url)), undefined);
  same(await kit.read(url, undefined, as('alice')));
});

test('serves to nobody what the origin gives to another under the same URL', async () => {
  await using origin = await startPrivateOrigin({});
  await using kit = openReader();
  const fresh = { headers: { 'cache-control': 'max-age=600' } };
  const url = origin.put('/me', blobOf(100, 'for alice'), { ...fresh, etag: 'alice' });
  origin.refuses = undefined;
  same(await kit.read(url, undefined, as('alice')), blobOf(100, 'for alice'));
  origin.put('/me', blobOf(100, 'for bob'), { ...fresh, etag: 'bob' });
  for (const part of [as('bob'), {}]) assert.is(await kit.reader.open(kit.ask(url, part)), undefined);
  origin.put('/me', blobOf(100, 'for alice'), { ...fresh, etag: 'alice' });
  same(await kit.read(url, undefined, as('carol')), blobOf(100, 'for alice'));
});

test('serves to anyone where it is set not to look', async () => {
  await using origin = await startPrivateOrigin(RIGHTS);
  await using kit = openReader({ access: { check: false } });
  const url = await warm(kit, origin);
  for (const part of [{}, as('bob')]) same(await kit.read(url, undefined, part));
  assert.is(origin.hits.length, 0);
});

test.run();
