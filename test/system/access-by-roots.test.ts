import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HttpClient } from '../../functions/service/http-client.ts';
import { RootsUpstream } from '../../sidecar/upstream/roots.ts';
import { type P2PServer, startP2P } from '../support/app.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { startPrivateOrigin } from '../support/private-origin.ts';
import { CHUNK } from '../support/reader.ts';

const test = suite('system/access-by-roots');

const BYTES = blobOf(2 * CHUNK + 1, 'private');
const PATH = `/v2/app/blobs/sha256:${sha256(BYTES)}`;
// Less than the minute for which an origin is believed about a digest that nobody has read whole.
const ACCESS = { ttlMs: 50_000 };
const ALICE = { headers: { authorization: 'Bearer alice' } };

/** An agent of these roots, in this process. */
async function startAgent(roots: readonly string[], now: () => number, self: string): Promise<P2PServer> {
  const http = new HttpClient({ connectMs: 2_000, firstByteMs: 5_000, idleMs: 5_000, connections: 16 });
  const upstream = new RootsUpstream({ roots, apiKey: 'dadip2p', http, hasFallback: false, now });
  const agent = await startP2P({ upstream, now, self, access: ACCESS });
  return {
    ...agent,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await http.close();
    },
  };
}

test('a right ends within Access.Ttl of its end, although a root and an agent each remember it', async () => {
  await using origin = await startPrivateOrigin({ alice: ['app'] });
  let nowMs = Date.now();
  const now = () => nowMs;
  await using root = await startP2P({ now, self: 'http://root.test:1', access: ACCESS });
  await using agent = await startAgent([root.url], now, 'http://agent.test:1');
  await using late = await startAgent([root.url], now, 'http://agent.test:2');
  const url = origin.put(PATH, BYTES);
  assert.is((await get(agent.of(url), ALICE)).digest, sha256(BYTES));
  origin.rights = {};
  nowMs += ACCESS.ttlMs - 2000;
  // This agent hears of the right from the root alone, near its end.
  assert.is((await get(late.of(url), ALICE)).digest, sha256(BYTES));
  nowMs += 1000;
  for (const node of [root, agent, late]) assert.is((await get(node.of(url), ALICE)).status, 200);
  nowMs += 1000;
  for (const node of [late, agent, root]) assert.is((await get(node.of(url), ALICE)).status, 401);
});

test('an agent learns from a root what is public, and from its origin that it is not any more', async () => {
  await using origin = await startPrivateOrigin({ '': ['app'] });
  await using root = await startP2P({ self: 'http://root.test:1' });
  await using agent = await startAgent([root.url], Date.now, 'http://agent.test:1');
  const url = origin.put(PATH, BYTES);
  // Somebody's token, and nobody without one: the root knows better.
  assert.is((await get(root.of(url))).status, 200);
  assert.is((await get(agent.of(url), ALICE)).status, 200);
  origin.forget();
  const answer = await get(agent.of(url));
  assert.is(answer.digest, sha256(BYTES));
  assert.is(answer.headers['x-p2p-access'], undefined, 'that is between nodes');
  assert.is(origin.hits.length, 0);
  origin.rights = {};
  const other = blobOf(CHUNK, 'other');
  const fresh = origin.put(`/v2/app/blobs/sha256:${sha256(other)}`, other);
  for (const node of [agent, root]) {
    assert.is((await get(node.of(fresh))).status, 401);
    assert.is((await get(node.of(url))).status, 401);
  }
});

test('an agent does not take a root that cannot ask for an origin that refuses', async () => {
  await using origin = await startPrivateOrigin({ alice: ['app'] });
  await using root = await startP2P({ self: 'http://root.test:1' });
  await using agent = await startAgent([root.url], Date.now, 'http://agent.test:1');
  const url = origin.put(PATH, BYTES);
  assert.is((await get(agent.of(url), ALICE)).status, 200);
  await agent.kit.reader.settled();
  origin.refuses = undefined;
  origin.always = { status: 503 };
  const answer = await get(agent.of(url), { headers: { authorization: 'Bearer bob' } });
  assert.is(answer.status, 403);
  assert.is(answer.headers['x-p2p-error'], 'ACCESS_UNPROVEN');
});

test.run();
