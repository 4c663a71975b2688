import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256, virtualBlob } from '../support/blob-of.ts';
import { download, get } from '../support/client.ts';
import { startOrigin } from '../support/origin.ts';
import { metric, startAgent, startRoot, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { tempDir, tmpfs } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const NAME = 'system/disk-full';
const test = suite(NAME);

const MiB = 2 ** 20;
const MEMORY = { MemCacheSize: '1MiB' };

/** Bytes that the files of a folder take on disk, in whole blocks, as `du` counts them. */
async function diskUse(path: string): Promise<number> {
  // Evicted since its folder was listed.
  const gone = () => undefined;
  const facts = await stat(path).catch(gone);
  if (!facts?.isDirectory()) return (facts?.blocks ?? 0) * 512;
  const names = (await readdir(path).catch(gone)) ?? [];
  const sizes = await Promise.all(names.map((name) => diskUse(join(path, name))));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

need(
  test,
  NAME,
  'tmpfs',
)('a file system that is too small for the blob costs nothing but the cache', async () => {
  await using origin = await startOrigin();
  await using small = await tmpfs(8 * MiB);
  // The setting allows far more than there is: the kernel says no.
  await using agent = await startAgent(
    {
      origins: [origin.url],
      agent: {
        P2PConfig: {
          CacheConfig: { ...MEMORY, FileCachePath: small.path, FileCacheSize: '1GiB', MinFree: 0 },
        },
      },
    },
    [],
  );
  for (const seed of ['first', 'second']) {
    const bytes = blobOf(32 * MiB, seed);
    const url = through(agent, origin.put(`/v2/d/blobs/sha256:${sha256(bytes)}`, bytes));
    for (const turn of ['cold', 'again']) {
      const answer = await download(url);
      assert.is(answer.status, 200, turn);
      assert.is(answer.complete, true, turn);
      assert.is(answer.digest, sha256(bytes), turn);
    }
  }
  assert.is(agent.logs('worker_crashed').length, 0);
  // What fits is still cached. Not every chunk: writers that find the disk full at once compete for what is evicted.
  const bytes = blobOf(3 * MiB, 'small');
  const url = through(agent, origin.put(`/v2/d/blobs/sha256:${sha256(bytes)}`, bytes));
  await download(url);
  await until('no flight', async () => (await metric(agent, 'p2p_flights')) === 0);
  origin.forget();
  assert.is((await download(url)).digest, sha256(bytes));
  assert.ok(origin.hits.length < 24, `${origin.hits.length} of 48 chunks were asked for again`);
});

need(
  test,
  NAME,
  'tmpfs',
)('MinFree stays free on a file system of its own', async () => {
  await using origin = await startOrigin();
  await using small = await tmpfs(32 * MiB);
  await using agent = await startAgent(
    {
      origins: [origin.url],
      agent: {
        P2PConfig: {
          CacheConfig: { ...MEMORY, FileCachePath: small.path, FileCacheSize: '1GiB', MinFree: '16MiB' },
        },
      },
    },
    [],
  );
  const blob = virtualBlob(64 * MiB, 'min free');
  const url = through(agent, origin.put(`/v2/d/blobs/sha256:${sha256(blob)}`, blob));
  let most = 0;
  let size = 0;
  let looked = 0;
  const answer = await download(url, {
    async onPiece(piece) {
      size += piece.length;
      if (size < looked * 2 * MiB) return;
      looked += 1;
      most = Math.max(most, await diskUse(small.path));
    },
  });
  assert.is(answer.digest, sha256(blob));
  assert.ok(looked >= 32);
  // The free space is looked at twice a second: what is written between two looks may come on top.
  assert.ok(most > 8 * MiB && most < 24 * MiB, `${most / MiB} MiB of 32 were used`);
});

for (const [who, startNode] of [
  [
    'agent',
    (origin: string, P2PConfig: object) => startAgent({ origins: [origin], agent: { P2PConfig } }, []),
  ],
  // Broke: over a folder it kept all that it had ever read.
  ['root', (origin: string, P2PConfig: object) => startRoot({ origins: [origin], root: { P2PConfig } })],
] as const) {
  test(`the cap of ${who === 'root' ? 'a' : 'an'} ${who} holds while ten times its size flows through`, async () => {
    await using origin = await startOrigin();
    const cap = 16 * MiB;
    await using node = await startNode(origin.url, { CacheConfig: { ...MEMORY, FileCacheSize: cap } });
    let most = 0;
    let looks = 0;
    for (let index = 0; index < 10; index += 1) {
      const bytes = blobOf(cap, `cap ${index}`);
      const url = through(node, origin.put(`/v2/d/blobs/sha256:${sha256(bytes)}`, bytes));
      let size = 0;
      const answer = await download(url, {
        async onPiece(piece) {
          const before = size;
          size += piece.length;
          // Eight times a blob.
          if (Math.floor((before * 8) / cap) === Math.floor((size * 8) / cap)) return;
          most = Math.max(most, await diskUse(node.cacheDir));
          looks += 1;
        },
      });
      assert.is(answer.complete, true, `${answer.error} after ${answer.size} bytes`);
      assert.is(answer.digest, sha256(bytes));
    }
    most = Math.max(most, await diskUse(node.cacheDir));
    assert.is(looks, 80);
    // A file is entered before it is written and removed after: those in hand come on top.
    assert.ok(most > cap / 2 && most <= cap + MiB, `${most / MiB} MiB in a cache of ${cap / MiB}`);
    assert.ok((await metric(node, 'p2p_evictions_total')) > 0);
  });
}

test('a cache folder that cannot be made turns the disk cache off, and only that', async () => {
  await using origin = await startOrigin();
  await using dir = await tempDir();
  // A file where the folder should be stops root too.
  const blocked = join(dir.path, 'file');
  await writeFile(blocked, '');
  await using agent = await startAgent(
    {
      origins: [origin.url],
      agent: { P2PConfig: { CacheConfig: { FileCachePath: join(blocked, 'cache') } } },
    },
    [],
  );
  assert.is(agent.logs('disk_cache_off').length, 1);
  const bytes = blobOf(2 * MiB, 'no folder');
  const url = through(agent, origin.put(`/v2/d/blobs/sha256:${sha256(bytes)}`, bytes));
  assert.is((await download(url)).digest, sha256(bytes));
  origin.forget();
  assert.is((await download(url)).digest, sha256(bytes));
  assert.is(origin.hits.length, 0, 'memory caches all the same');
  assert.is((await get(`${agent.url}/readyz`)).status, 200);
});

test('a cache folder that is taken away while it is used is not missed', async () => {
  await using origin = await startOrigin();
  await using agent = await startAgent(
    { origins: [origin.url], agent: { P2PConfig: { CacheConfig: MEMORY } } },
    [],
  );
  const bytes = blobOf(8 * MiB, 'removed');
  const url = through(agent, origin.put(`/v2/d/blobs/sha256:${sha256(bytes)}`, bytes));
  assert.is((await download(url)).digest, sha256(bytes));
  await until('no flight', async () => (await metric(agent, 'p2p_flights')) === 0);
  await rm(agent.cacheDir, { recursive: true, maxRetries: 10, retryDelay: 20 });
  assert.is((await download(url)).digest, sha256(bytes), 'removed');
  let removed = false;
  let aside = 0;
  const during = await download(`${url}?again`, {
    async onPiece() {
      if (removed) return;
      removed = true;
      // Not a folder any more: nothing can be written here at all. A writer may make it anew in between.
      await until('a file in its place', async () => {
        aside += 1;
        await rename(agent.cacheDir, `${agent.cacheDir}.${aside}`).catch(() => {});
        return writeFile(agent.cacheDir, '', { flag: 'wx' }).then(
          () => true,
          () => false,
        );
      });
    },
  });
  assert.is(during.complete, true, `${during.error} after ${during.size} bytes`);
  assert.is(during.digest, sha256(bytes), 'removed meanwhile');
  const after = blobOf(MiB, 'after');
  const other = through(agent, origin.put(`/v2/d/blobs/sha256:${sha256(after)}`, after));
  assert.is((await download(other)).digest, sha256(after));
  assert.is(agent.logs('worker_crashed').length, 0);
});

test.run();
