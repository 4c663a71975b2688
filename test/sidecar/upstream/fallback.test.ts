import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Upstream } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { FallbackUpstream } from '../../../sidecar/upstream/fallback.ts';
import { RootsUpstream } from '../../../sidecar/upstream/roots.ts';
import { startP2P } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
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

/** An agent over these roots, and the origin after them if wanted. */
async function startAgentOf(roots: readonly string[], hasFallback = true) {
  const origins = originUpstream();
  const asked = new RootsUpstream({
    ...{ roots, apiKey: 'dadip2p', http: origins.http, hasFallback },
    now: () => 0,
  });
  const agent = await startP2P({
    upstream: new FallbackUpstream(hasFallback ? [asked, origins.upstream] : [asked]),
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
    await using nodes = await startAgentOf([first.url, second.url]);
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
  await using nodes = await startAgentOf([root.url]);
  const url = origin.put('/blob', blobOf(10, 'failing'));
  for (let n = 0; n < 4; n += 1) assert.is((await get(nodes.agent.of(url))).status, 502);
  assert.is([...nodes.roots.sources(parseAddress(url))].length, 1);
  origin.always = {};
  const answer = await get(nodes.agent.of(url));
  assert.is(answer.status, 200);
  assert.is(root.kit.told.from.get('origin')?.bytes, 10);
});

for (const [claim, chain, status] of [
  ['to have come a long way', 'a b c d e f g', 200],
  ['to come from the root', 'http://self.test:19145', 508],
] as const) {
  test(`fails nobody who waits for the same blob as a request that claims ${claim}`, async () => {
    // The chain of the one who asked first went with the fetch that all shared, and its refusal to all of them.
    await using origin = await startOrigin();
    await using root = await startP2P();
    await using nodes = await startAgentOf([root.url], false);
    const bytes = blobOf(1000, claim);
    origin.always = { delayMs: 200 };
    const url = nodes.agent.of(origin.put('/blob', bytes));
    const first = get(url, { headers: { 'x-p2p-agent': chain } });
    const others = Array.from({ length: 5 }, () => get(url));
    for (const { digest } of await Promise.all(others)) assert.is(digest, sha256(bytes));
    assert.is((await first).status, status);
  });
}

test('asks the origin when its roots lead back to it', async () => {
  await using origin = await startOrigin();
  const self = 'http://agent.test:19145';
  // A root that knows the agent in the chain of who asks it: the agent itself, by another address.
  await using root = await startP2P({ self });
  await using fed = await startAgentOf([root.url]);
  await using lost = await startAgentOf([root.url], false);
  const url = origin.put('/blob', blobOf(10, 'circle'));
  assert.is((await get(fed.agent.of(url))).status, 200);
  const looped = await get(lost.agent.of(url));
  assert.is(looped.status, 508);
  assert.is(looped.headers['x-p2p-error'], 'LOOP_DETECTED');
});

test.run();
