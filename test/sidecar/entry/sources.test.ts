import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Source } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { eachOnce, eachWorking } from '../../../sidecar/entry/sources.ts';
import { startOrigin } from '../../support/origin.ts';
import { originUpstream } from '../../support/reader.ts';
import { rejects } from '../../support/rejects.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('sidecar/entry/sources');

const ADDRESS = parseAddress('http://127.0.0.1:1/v2/');
const never = () => new AbortController().signal;
const open = (source: Source | undefined, url: string, signal = never()) =>
  (source as Source).open({ address: parseAddress(url), method: 'GET', headers: {} }, signal);

test('gives each source once, in order, as it is', async () => {
  await using origin = await startOrigin();
  await using origins = originUpstream();
  const [source] = origins.upstream.sources(ADDRESS);
  const others = ['a', 'b', 'a', 'c', 'b'].map((name) => ({ ...(source as Source), name }));
  const given = [...eachOnce(others, PATIENCE_MS)];
  assert.equal(
    given.map(({ name }) => name),
    ['a', 'b', 'c'],
  );
  assert.equal(
    given.map(({ kind }) => kind),
    ['origin', 'origin', 'origin'],
  );
  const reply = await open(given[0], origin.put('/x', Buffer.from('bytes')));
  assert.is(reply.status, 200);
  reply.body.discard();
});

test('gives all of them together so much time, and no more', async () => {
  await using origin = await startOrigin({ always: { delayMs: 60_000 } });
  await using origins = originUpstream({ firstByteMs: 60_000 });
  const [source] = origins.upstream.sources(ADDRESS);
  const two = ['a', 'b'].map((name) => ({ ...(source as Source), name }));
  for (const slow of eachOnce(two, 100)) await rejects('UPSTREAM_TIMEOUT', open(slow, `${origin.url}/x`));
});

test('tells a client that left from a source that is late', async () => {
  await using origin = await startOrigin({ always: { delayMs: 60_000 } });
  await using origins = originUpstream();
  const [source] = eachOnce(origins.upstream.sources(ADDRESS), PATIENCE_MS);
  await rejects('CLIENT_GONE', open(source, `${origin.url}/x`, AbortSignal.abort()));
});

test('lets the body of a reply take its time', async () => {
  await using origin = await startOrigin({ always: { trickle: { bytes: 1, everyMs: 400 } } });
  await using origins = originUpstream();
  const [source] = eachOnce(origins.upstream.sources(ADDRESS), 1_500);
  const reply = await open(source, origin.put('/x', Buffer.from('bytes')));
  let size = 0;
  await reply.body.read((piece) => {
    size += piece.length;
  });
  assert.is(size, 5);
});

test('takes 5xx for no answer where one is wanted, and all else for one', async () => {
  await using origin = await startOrigin();
  await using origins = originUpstream();
  const [source] = eachWorking(origins.upstream.sources(ADDRESS), PATIENCE_MS);
  for (const status of [500, 503]) {
    origin.faults.push({ status });
    await rejects('UPSTREAM_FAILED', open(source, `${origin.url}/x`));
  }
  for (const status of [200, 401, 404]) {
    origin.faults.push({ status });
    const reply = await open(source, `${origin.url}/x`);
    assert.is(reply.status, status);
    reply.body.discard();
  }
});

test.run();
