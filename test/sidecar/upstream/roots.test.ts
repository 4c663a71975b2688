import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reply, Source } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { MAX_REDIRECTS } from '../../../functions/service/fan-out.ts';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { FallbackUpstream } from '../../../sidecar/upstream/fallback.ts';
import { HedgedUpstream } from '../../../sidecar/upstream/hedged.ts';
import { PATIENCE } from '../../../sidecar/upstream/line.ts';
import { RootsUpstream } from '../../../sidecar/upstream/roots.ts';
import { Vigil } from '../../../sidecar/upstream/vigil.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { startOrigin } from '../../support/origin.ts';
import { digestPath, originUpstream } from '../../support/reader.ts';
import { rejects } from '../../support/rejects.ts';

const test = suite('sidecar/upstream/roots');

const NEVER = new AbortController().signal;
const ADDRESS = parseAddress('http://origin.test/a//b?sig=%2F');

function openRoots(roots: readonly string[], now: () => number = () => 0, hasFallback = true) {
  const http = new HttpClient({ connectMs: 500, firstByteMs: 500, idleMs: 500, connections: 8 });
  const upstream = new RootsUpstream({ roots, apiKey: 'dadip2p', http, hasFallback, now });
  return {
    order: (url: string) => [...upstream.sources(parseAddress(url))].map(({ name }) => name),
    sources: () => [...upstream.sources(ADDRESS)],
    [Symbol.asyncDispose]: () => http.close(),
  };
}

const ask = (source: Source | undefined): Promise<Reply> =>
  (source as Source).open({ address: ADDRESS, method: 'GET', headers: { range: 'bytes=0-9' } }, NEVER);

async function bytesOf({ body }: Reply): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await body.read((piece) => {
    pieces.push(Buffer.from(piece));
  });
  return Buffer.concat(pieces);
}

const ROOTS = ['http://a.test', 'http://b.test', 'http://c.test'];

test('has one order of the roots for a blob, the same on every agent and by every address', async () => {
  await using one = openRoots(ROOTS);
  await using other = openRoots([...ROOTS].reverse());
  for (let n = 0; n < 20; n += 1) {
    const path = digestPath(sha256(Buffer.from([n])));
    const order = one.order(`http://origin.test${path}`);
    assert.equal(other.order(`http://origin.test${path}`), order);
    assert.equal(one.order(`http://mirror.test${path}?sig=1`), order);
    assert.equal([...order].sort(), ROOTS);
  }
});

test('gives each root a fair share of the blobs, and moves only those of a root that is gone', async () => {
  await using all = openRoots(ROOTS);
  await using less = openRoots(ROOTS.slice(0, 2));
  const shares = new Map<string, number>();
  for (let n = 0; n < 600; n += 1) {
    const url = `http://origin.test/${n}`;
    const [first = ''] = all.order(url);
    shares.set(first, (shares.get(first) ?? 0) + 1);
    if (first !== ROOTS[2]) assert.is(less.order(url)[0], first);
  }
  for (const root of ROOTS) assert.ok((shares.get(root) ?? 0) > 140, `${root}: ${shares.get(root)}`);
});

test('asks in the prefix form, the address and the headers as they are', async () => {
  await using root = await startOrigin();
  await using roots = openRoots([root.url]);
  root.route('/dadip2p/http://origin.test/a//b', (_, response) => void response.end('bytes'));
  assert.is((await bytesOf(await ask(roots.sources()[0]))).toString(), 'bytes');
  assert.is(root.hits[0]?.url, '/dadip2p/http://origin.test/a//b?sig=%2F');
  assert.is(root.hits[0]?.headers.range, 'bytes=0-9');
});

test('asks who sends it on once more, as one that no node of ours would send on', async () => {
  // Broke: an agent in a root's place sent on who had been sent on eight times, as it did before trees got deeper.
  await using root = await startOrigin();
  await using roots = openRoots([root.url]);
  const path = '/dadip2p/http://origin.test/a//b';
  root.route(path, ({ headers }, response) => {
    if (headers['x-p2p-hops'] === undefined)
      response.writeHead(307, { location: `http://other.test${path}?sig=%2F` });
    response.end('bytes');
  });
  assert.is((await ask(roots.sources()[0])).status, 200);
  assert.is(root.hits[1]?.headers['x-p2p-hops'], String(MAX_REDIRECTS));
});

test('leaves out a root that could not be reached three times, and tries it again after a while', async () => {
  await using good = await startOrigin();
  let nowMs = 0;
  await using roots = openRoots(['http://127.0.0.1:1', good.url], () => nowMs);
  const dead = () => roots.sources().find(({ name }) => name === 'http://127.0.0.1:1');
  for (let n = 0; n < 3; n += 1) await rejects('UPSTREAM_UNREACHABLE', ask(dead()));
  assert.is(dead(), undefined);
  assert.equal(
    roots.sources().map(({ name }) => name),
    [good.url],
  );
  nowMs = 5_000;
  assert.ok(dead());
  assert.is(dead(), undefined);
});

test('asks roots that fail all the same, after those that do not, when nobody else can be asked', async () => {
  // When all had failed at once, the next five seconds of requests were told that no upstream is configured.
  await using good = await startOrigin();
  const [dead, down] = ['http://127.0.0.1:1', 'http://127.0.0.1:2'];
  await using roots = openRoots([dead, down, good.url], undefined, false);
  const named = (name: string) => roots.sources().find((source) => source.name === name);
  for (let n = 0; n < 3; n += 1) await rejects('UPSTREAM_UNREACHABLE', ask(named(dead)));
  assert.is(roots.sources().length, 3);
  assert.is(roots.sources()[2]?.name, dead);
  await using alone = openRoots([dead], undefined, false);
  for (let n = 0; n < 5; n += 1) await rejects('UPSTREAM_UNREACHABLE', ask(alone.sources()[0]));
});

test('counts a reply whose body nobody wants as a sign of life', async () => {
  // A root that was asked for heads alone stayed out of use, and two failures a day apart were two in a row.
  await using root = await startOrigin({ always: { reset: true } });
  await using roots = openRoots([root.url]);
  root.put('/dadip2p/http://origin.test/a//b', blobOf(10, 'x'));
  for (let round = 0; round < 4; round += 1) {
    root.faults.push({});
    (await ask(roots.sources()[0])).body.discard();
    for (let n = 0; n < 2; n += 1) await rejects('UPSTREAM_UNREACHABLE', ask(roots.sources()[0]));
  }
  assert.is(roots.sources().length, 1);
});

test('keeps a root that answers, even if it is with the failure of an origin', async () => {
  await using root = await startOrigin({ always: { status: 502 } });
  await using roots = openRoots([root.url]);
  root.put('/dadip2p/http://origin.test/a//b', blobOf(10, 'x'));
  for (let n = 0; n < 5; n += 1) {
    const reply = await ask(roots.sources()[0]);
    assert.is(reply.status, 502);
    await bytesOf(reply);
  }
  assert.is(roots.sources().length, 1);
});

test('does not count a client that left as a failure of the root', async () => {
  await using root = await startOrigin({ always: { stallAfterBytes: 0 } });
  await using roots = openRoots([root.url]);
  root.put('/dadip2p/http://origin.test/a//b', blobOf(10, 'x'));
  for (let n = 0; n < 5; n += 1) {
    const leaving = new AbortController();
    const query = { address: ADDRESS, method: 'GET', headers: {} } as const;
    const reply = await (roots.sources()[0] as Source).open(query, leaving.signal);
    const reading = bytesOf(reply);
    leaving.abort();
    await rejects('CLIENT_GONE', reading);
  }
  assert.is(roots.sources().length, 1);
});

test('has the origin asked beside a root that is deaf, and passes that over soon', async () => {
  await using origin = await startOrigin();
  await using origins = originUpstream();
  const deaf = createServer();
  deaf.listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  const root = `http://127.0.0.1:${(deaf.address() as AddressInfo).port}`;
  // Longer than this test may take.
  const http = new HttpClient({ connectMs: 600_000, firstByteMs: 600_000, idleMs: 600_000, connections: 8 });
  const roots = new RootsUpstream({
    roots: [root],
    apiKey: 'dadip2p',
    http,
    hasFallback: true,
    now: () => 0,
  });
  let hedges = 0;
  const upstream = new HedgedUpstream({
    upstream: new FallbackUpstream([roots, origins.upstream]),
    vigil: Vigil.start(() => false),
    patience: PATIENCE,
    now: () => 0,
    onHedge: () => {
      hedges += 1;
    },
  });
  const address = parseAddress(origin.put('/blob', blobOf(10, 'deaf')));
  const askFirst = async (): Promise<Reply> => {
    const [first] = upstream.sources(address);
    return (first as Source).open({ address, method: 'GET', headers: {} }, NEVER);
  };
  try {
    for (const reply of await Promise.all([askFirst(), askFirst(), askFirst()])) {
      assert.is(reply.from?.kind, 'origin');
      assert.equal(await bytesOf(reply), Buffer.from(blobOf(10, 'deaf')));
    }
    assert.is(hedges, 3);
    assert.equal([...roots.sources(address)], []);
  } finally {
    await http.close();
    deaf.closeAllConnections();
    deaf.close();
  }
});

test.run();
