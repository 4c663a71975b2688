import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { virtualBlob } from '../support/blob-of.ts';
import { download } from '../support/client.ts';
import { startOrigin } from '../support/origin.ts';
import { startPair, through } from '../support/pair.ts';

const test = suite('system/large');

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const SIZE = 3 * GiB + 1;
// Of virtualBlob(SIZE, 'large'): working it out takes as long as a third of the transfer.
const DIGEST = '9ae735e2fe445e5f696657bcee47286e1edde60f5672fddf98514b99ecaa2fdb';
const LIMIT_MS = 200_000;
const SAMPLE_EVERY = 64 * MiB;
// What Node takes for itself, the memory cache, and the chunks in flight; a reader that held what it serves
// would pass it after a tenth of the blob.
const MAX_RSS = 450 * MiB;

test('a blob of 3 GiB passes whole through caches far smaller than it, in memory that stays flat', async () => {
  const blob = virtualBlob(SIZE, 'large');
  await using origin = await startOrigin();
  const url = origin.put(`/v2/large/blobs/sha256:${DIGEST}`, blob);
  const CacheConfig = { MemCacheSize: '64MiB', FileCacheSize: '128MiB', ChunkSize: '4MiB' };
  await using pair = await startPair({
    origins: [origin.url],
    agent: { P2PConfig: { CacheConfig } },
    root: { P2PConfig: { CacheConfig } },
  });
  const nodes = { agent: pair.agent, root: pair.root };
  const highest = { agent: 0, root: 0 };
  let size = 0;
  let samples = 0;
  const answer = await download(through(pair.agent, url), {
    signal: AbortSignal.timeout(LIMIT_MS),
    onPiece(piece) {
      size += piece.length;
      if (size < samples * SAMPLE_EVERY) return;
      samples += 1;
      for (const name of ['agent', 'root'] as const) {
        highest[name] = Math.max(highest[name], nodes[name].rssBytes());
      }
    },
  });
  assert.is(answer.complete, true, `${answer.error} after ${answer.size} bytes`);
  assert.is(answer.size, SIZE);
  assert.is(answer.digest, DIGEST);
  assert.is(origin.bytesSent, SIZE, 'the origin sent each byte once');
  assert.ok(samples > SIZE / SAMPLE_EVERY - 1, `${samples} samples`);
  for (const [name, rss] of Object.entries(highest)) {
    assert.ok(rss > 0 && rss < MAX_RSS, `the ${name} took ${Math.round(rss / MiB)} MiB`);
  }
});

test.run();
