import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Rule } from '../../functions/service/config/settings.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { shared } from '../support/shared.ts';

const test = suite('system/rules');

const RULES: readonly Rule[] = [
  { Preset: 'git-lfs' },
  { Match: '/store/(?<sha256>[0-9a-f]{64})', Action: 'accelerate' },
  { Match: '/fixed/', Action: 'accelerate', Immutable: true },
  { Match: '/session/', Action: 'accelerate', IgnoreQuery: ['session'] },
  { Match: '/sized/', Action: 'accelerate', MinSize: 1000 },
  { Match: '/denied/', Action: 'deny' },
];

/** A root and an agent with the same rules, an origin, and the store that it redirects to. */
interface Network extends AsyncDisposable {
  readonly pair: Pair;
  readonly origin: Origin;
  readonly store: Origin;
}

const network = shared<Network>(test, async () => {
  const origin = await startOrigin();
  const store = await startOrigin();
  const ProxyConfig = { Rules: RULES };
  const origins = [origin.url, store.url];
  const pair = await startPair({ origins, root: { ProxyConfig }, agent: { ProxyConfig } });
  return {
    pair,
    origin,
    store,
    async [Symbol.asyncDispose]() {
      for (const each of [pair, origin, store]) await each[Symbol.asyncDispose]();
    },
  };
});

const through = ({ pair }: Network, url: string) =>
  get(url, { proxy: { host: '127.0.0.1', port: pair.agent.proxyPort } });

test('one copy of an LFS object, whichever repository, store and signature it comes by', async () => {
  const all = await network();
  const bytes = blobOf(300_000, 'lfs');
  const oid = sha256(bytes);
  const stored = all.store.put(`/store/${oid}`, bytes);
  let signed = 0;
  for (const repository of ['a', 'b']) {
    all.origin.route(`/${repository}.git/info/lfs/objects/${oid}`, (_, response) => {
      signed += 1;
      response.writeHead(302, { location: `${stored}?X-Amz-Signature=${signed}&X-Amz-Expires=60` }).end();
    });
  }
  const first = await through(all, `${all.origin.url}/a.git/info/lfs/objects/${oid}`);
  assert.is(first.status, 200);
  assert.is(first.digest, oid);
  all.origin.forget();
  all.store.forget();
  for (const url of [`${all.origin.url}/b.git/info/lfs/objects/${oid}`, stored, `${stored}?x=1`]) {
    assert.is((await through(all, url)).digest, oid, url);
  }
  // That it may be read there is asked of each place, and that it is there shown by a sample of 4 KiB.
  assert.ok(all.store.bytesSent < 3 * 4_200, `${all.store.bytesSent} bytes`);
});

test('an object that is not what its name says never arrives whole', async () => {
  const all = await network();
  const bytes = blobOf(300_000, 'another');
  const url = all.store.put(`/store/${'ab'.repeat(32)}`, bytes);
  const answer = await through(all, url);
  assert.not(answer.complete && answer.status === 200, 'neither by the root nor by the agent');
});

test('what never changes is not asked about again, though its origin says that it is stale', async () => {
  const all = await network();
  const stale = { headers: { 'cache-control': 'max-age=0' } };
  const fixed = all.origin.put('/fixed/x', blobOf(5_000, 'fixed'), stale);
  const plain = all.origin.put('/session/y', blobOf(5_000, 'plain'), stale);
  for (const url of [fixed, plain]) await through(all, url);
  all.origin.forget();
  for (const url of [fixed, plain]) assert.is((await through(all, url)).status, 200);
  assert.equal(
    all.origin.hits.map(({ url }) => url),
    ['/session/y'],
  );
});

test('parameters to ignore reach the origin, and choose no other copy', async () => {
  const all = await network();
  const url = all.origin.put('/session/z', blobOf(5_000, 'z'), {
    headers: { 'cache-control': 'max-age=60' },
  });
  await through(all, `${url}?v=1&session=a`);
  assert.is(all.origin.hits.at(-1)?.url, '/session/z?v=1&session=a');
  all.origin.forget();
  await through(all, `${url}?session=b&v=1`);
  assert.is(all.origin.hits.length, 0);
  await through(all, `${url}?session=b&v=2`);
  assert.is(all.origin.hits.at(-1)?.url, '/session/z?session=b&v=2');
});

test('what is smaller than a rule says is passed through each time', async () => {
  const all = await network();
  const fresh = { headers: { 'cache-control': 'max-age=60' } };
  const small = all.origin.put('/sized/small', blobOf(999, 'small'), fresh);
  const large = all.origin.put('/sized/large', blobOf(1000, 'large'), fresh);
  for (const url of [small, large]) await through(all, url);
  all.origin.forget();
  for (const [url, size] of [
    [small, 999],
    [large, 1000],
  ] as const) {
    assert.is((await through(all, url)).size, size);
  }
  assert.ok(all.origin.hits.length > 0);
  assert.ok(all.origin.hits.every(({ url }) => url === '/sized/small'));
});

test('what is denied is denied on the P2P port of agent and root too', async () => {
  const all = await network();
  const url = all.origin.put('/denied/x', blobOf(10, 'denied'));
  all.origin.forget();
  for (const node of [all.pair.agent, all.pair.root]) {
    assert.is((await get(`${node.url}/dadip2p/${url}`)).headers['x-p2p-error'], 'RULE_DENIED');
  }
  assert.is(all.origin.hits.length, 0);
});

test.run();
