import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Upstream } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { FallbackUpstream } from '../../../sidecar/upstream/fallback.ts';
import { RootsUpstream } from '../../../sidecar/upstream/roots.ts';
import { startP2P } from '../../support/app.ts';
import { blobOf } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import { startOrigin } from '../../support/origin.ts';
import { originUpstream } from '../../support/reader.ts';

const test = suite('sidecar/upstream/fallback');

const upstreamOf = (...names: string[]): Upstream => ({
  *sources() {
    for (const name of names) yield { name, kind: 'root', open: () => Promise.reject(new Error(name)) };
  },
});

test('has the sources of one upstream after those of the other', () => {
  const upstream = new FallbackUpstream([upstreamOf('a', 'b'), upstreamOf(), upstreamOf('c')]);
  const names = [...upstream.sources(parseAddress('http://a.test/'))].map(({ name }) => name);
  assert.equal(names, ['a', 'b', 'c']);
});

test('does not look for later sources before the earlier ones were taken', () => {
  const late: Upstream = {
    sources() {
      throw new Error('looked');
    },
  };
  const [first] = new FallbackUpstream([upstreamOf('a'), late]).sources(parseAddress('http://a.test/'));
  assert.is(first?.name, 'a');
});

/** An agent over these roots, and the origin after them. */
async function startAgentOf(...roots: readonly string[]) {
  const origins = originUpstream();
  const parts = { apiKey: 'dadip2p', http: origins.http, hasFallback: true, now: () => 0 };
  const asked = new RootsUpstream({ ...parts, roots });
  const agent = await startP2P({
    upstream: new FallbackUpstream([asked, origins.upstream]),
    self: 'http://agent.test:19145',
  });
  return {
    ...{ agent, roots: asked },
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await origins[Symbol.asyncDispose]();
    },
  };
}

for (const status of [401, 403, 404, 410, 429]) {
  test(`passes on the origin's ${status} as the first root tells it, and asks nobody again`, async () => {
    await using origin = await startOrigin();
    await using first = await startP2P();
    await using second = await startP2P();
    await using nodes = await startAgentOf(first.url, second.url);
    const headers = { 'www-authenticate': 'Bearer realm="x"', 'retry-after': '7' };
    origin.always = { status, headers, body: 'said the origin' };
    const answer = await get(nodes.agent.of(origin.put('/blob', blobOf(10, 'refused'))));
    assert.is(answer.status, status);
    assert.is(answer.text, 'said the origin');
    assert.is(answer.headers['www-authenticate'], 'Bearer realm="x"');
    assert.is(answer.headers['retry-after'], '7');
    assert.is(answer.headers['x-p2p-error'], undefined);
    assert.is(origin.hits.length, 1);
  });
}

test('keeps asking a root whose origin fails', async () => {
  await using origin = await startOrigin({ always: { status: 503 } });
  await using root = await startP2P();
  await using nodes = await startAgentOf(root.url);
  const url = origin.put('/blob', blobOf(10, 'failing'));
  for (let n = 0; n < 4; n += 1) assert.is((await get(nodes.agent.of(url))).status, 502);
  assert.is([...nodes.roots.sources(parseAddress(url))].length, 1);
  origin.always = {};
  const answer = await get(nodes.agent.of(url));
  assert.is(answer.status, 200);
  assert.is(root.kit.told.from.get('origin')?.bytes, 10);
});

test.run();
