import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { chunkFiles, flipBit } from '../support/cache-files.ts';
import { get } from '../support/client.ts';
import { eachCase } from '../support/each-case.ts';
import { startNode } from '../support/node-process.ts';
import { startOrigin } from '../support/origin.ts';
import { repliesOf, startAgent, startPair, through } from '../support/pair.ts';
import { until } from '../support/until.ts';

const test = suite('system/digest');

const CHUNK = 64 * 1024;
const CHUNKS = 6;

test('a blob whose bytes do not match its digest never arrives complete, is not cached, and heals', async () => {
  await using origin = await startOrigin();
  await using pair = await startPair({ origins: [origin.url], agent: { OriginFallback: false } });
  const sizes = {
    'one byte': 1,
    'part of a chunk': 5000,
    'one chunk': CHUNK,
    'several chunks': CHUNKS * CHUNK + 77,
  };
  await eachCase(sizes, async (size, name) => {
    for (const corrupt of new Set([0, size >> 1, size - 1])) {
      const bytes = blobOf(size, `${name} ${corrupt}`);
      const digest = sha256(bytes);
      const url = through(pair.agent, origin.put(`/v2/d/blobs/sha256:${digest}`, bytes));
      origin.always = { corrupt };
      for (const turn of ['first', 'second']) {
        const answer = await get(url);
        const what = `byte ${corrupt} wrong, ${turn} read, ${answer.status}`;
        if (answer.status === 200) assert.ok(!answer.complete && answer.size < size, what);
        else assert.is(answer.status, 502, what);
        const tail = await get(url, { headers: { range: `bytes=${corrupt}-${corrupt}` } });
        // A part cannot be checked against the whole's digest, but what is proven wrong must not be at hand.
        if (size <= CHUNK) assert.is.not(tail.status, 206, what);
      }
      origin.always = {};
      // The part that was read alone went unchecked into the caches: reading the whole finds out, once.
      const next = await get(url);
      assert.ok(next.digest === digest || !next.complete, `byte ${corrupt}`);
      const healed = await until('the blob to heal', async () => {
        const answer = await get(url);
        assert.ok(answer.digest === digest || !answer.complete || answer.status === 502, `byte ${corrupt}`);
        return answer.complete && answer.status === 200 ? answer : undefined;
      });
      assert.is(healed.status, 200, `byte ${corrupt}: ${healed.text.slice(0, 300)}`);
      assert.is(healed.digest, digest, `byte ${corrupt}`);
      origin.forget();
      assert.is((await get(url)).digest, digest, `byte ${corrupt}`);
      assert.is(origin.hits.length, 0, 'what is right is cached');
    }
  });
});

test('fifty clients of a blob with wrong bytes all see it broken', async () => {
  await using origin = await startOrigin();
  await using pair = await startPair({ origins: [origin.url] });
  const bytes = blobOf(CHUNKS * CHUNK, 'for fifty');
  const url = through(pair.agent, origin.put(`/v2/d/blobs/sha256:${sha256(bytes)}`, bytes));
  origin.always = { corrupt: 2 * CHUNK + 5 };
  const answers = await Promise.all(Array.from({ length: 50 }, () => get(url)));
  for (const { status, complete, size } of answers) {
    assert.ok(status === 502 || (!complete && size < bytes.length), `${status} with ${size} bytes`);
  }
  origin.always = {};
  assert.is((await get(url)).digest, sha256(bytes));
});

test('chunks that rotted on disk, at the root and at the agent, reach nobody', async () => {
  await using origin = await startOrigin();
  await using pair = await startPair({ origins: [origin.url] });
  const bytes = blobOf(CHUNKS * CHUNK, 'rot');
  const url = origin.put(`/v2/d/blobs/sha256:${sha256(bytes)}`, bytes);
  assert.is((await get(through(pair.agent, url))).digest, sha256(bytes));
  for (const node of [pair.root, pair.agent]) {
    await until('its chunks on disk', async () => (await chunkFiles(node.cacheDir)).length === CHUNKS);
    assert.is(await node.stop(), 0);
  }
  const [root, agent] = [await chunkFiles(pair.root.cacheDir), await chunkFiles(pair.agent.cacheDir)];
  // One that only the root lost, one that only the agent lost, one that both did.
  for (const file of [root[1], root[3], agent[2], agent[3]]) await flipBit(file as string, 4321);

  origin.forget();
  await using rootAgain = await startNode({ settings: pair.root.settings });
  await using agentAgain = await startNode({
    settings: {
      ...pair.agent.settings,
      P2PConfig: { ...pair.agent.settings.P2PConfig, RootList: [rootAgain.url] },
    },
  });
  const answer = await get(through(agentAgain, url));
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(bytes));
  assert.is(origin.hits.length, 1, 'the origin is asked for the one chunk that nobody has');
  // And once whether it makes plans.
  await until('the replies to be counted', async () => (await repliesOf(rootAgain)) >= 3);
  assert.is(await repliesOf(rootAgain), 3, 'the root is asked for the two that the agent lost');

  // What rotted only at the root: an agent with nothing of its own.
  await using other = await startAgent({ origins: [origin.url] }, [rootAgain.url]);
  assert.is((await get(through(other, url))).digest, sha256(bytes));
  assert.is(origin.hits.length, 2);
});

test.run();
