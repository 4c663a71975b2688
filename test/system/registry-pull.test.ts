import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { type Descriptor, type Image, pushImage } from '../support/image.ts';
import { type Pair, servedBytes, startPair, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import {
  type Registry,
  startRegistry,
  startWatchedRegistry,
  type WatchedRegistry,
} from '../support/registry.ts';
import { shared } from '../support/shared.ts';
import { blobsOf, pull, sameImage } from '../support/skopeo.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAME = 'system/registry-pull';
const test = suite(NAME);
const run = promisify(execFile);

const PULL_MS = 60_000;
const MiB = 2 ** 20;
const LAYERS = [20 * MiB, 17 * MiB + 1, 12 * MiB, 11 * MiB + 777];

interface Network extends AsyncDisposable {
  readonly registry: WatchedRegistry;
  readonly image: Image;
  readonly pair: Pair;
}

const network = shared<Network>(test, async () => {
  const registry = await startWatchedRegistry();
  const [pair, image] = await Promise.all([
    startPair({ origins: [registry.url], chunkSize: '4MiB' }),
    pushImage(registry.url, 'library/big', 'v1', { layerBytes: LAYERS, seed: 'registry-pull' }),
  ]);
  return {
    registry,
    image,
    pair,
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
});

const blobUrl = (registry: Registry, { digest }: Descriptor) =>
  `${registry.url}/v2/library/big/blobs/${digest}`;

const real = need(test, NAME, 'docker-registry', 'skopeo', 'curl');

real(
  'skopeo pulls an image through the forward proxy, and the second pull asks the registry for no blob',
  async () => {
    const { registry, image, pair } = await network();
    await using dir = await tempDir();

    await pull(pair.agent, image, join(dir.path, 'first'));
    await sameImage(join(dir.path, 'first'), image);
    const cold = registry.blobHits().filter(({ method }) => method === 'GET');
    const total = blobsOf(image).reduce((sum, { size }) => sum + size, 0);
    assert.is(
      cold.reduce((sum, { bytes }) => sum + bytes, 0),
      total,
      'the registry sent each byte of each blob once',
    );
    assert.is(await servedBytes(pair.agent, total), total, 'all of it came through the agent');
    assert.is(await servedBytes(pair.root, total), total, 'and through the root');

    const asked = registry.blobHits().length;
    const manifests = registry.hits.length;
    await pull(pair.agent, image, join(dir.path, 'second'));
    await sameImage(join(dir.path, 'second'), image);
    assert.is(registry.blobHits().length, asked, 'the second pull asked the registry for no blob');
    assert.ok(registry.hits.length > manifests, 'tags pass through to the registry');
  },
);

real(
  'curl gets a blob with its digest by the forward proxy and by the prefix form, whole and in ranges',
  async () => {
    const { registry, image, pair } = await network();
    await using dir = await tempDir();
    const layer = image.layers[1] as Descriptor;
    const url = blobUrl(registry, layer);
    const direct = await get(url);
    assert.is(`sha256:${direct.digest}`, layer.digest);
    const ways: Readonly<Record<string, string[]>> = {
      proxy: ['--proxy', `http://127.0.0.1:${pair.agent.proxyPort}`, '--noproxy', '', url],
      prefix: [through(pair.agent, url)],
    };
    const ranges: Readonly<Record<string, readonly [flags: string[], start: number, end: number]>> = {
      whole: [[], 0, layer.size],
      first: [['--range', '0-0'], 0, 1],
      last: [['--range', '-1'], layer.size - 1, layer.size],
      border: [['--range', `${4 * MiB - 10}-${4 * MiB + 9}`], 4 * MiB - 10, 4 * MiB + 10],
      resumed: [['--range', '13631488-'], 13_631_488, layer.size],
    };
    for (const [way, target] of Object.entries(ways)) {
      for (const [range, [flags, start, end]] of Object.entries(ranges)) {
        const file = join(dir.path, `${way}-${range}`);
        const { stdout } = await run('curl', ['-sS', '-w', '%{http_code}', '-o', file, ...flags, ...target], {
          timeout: PULL_MS,
        });
        assert.is(stdout, range === 'whole' ? '200' : '206', `${way} ${range}`);
        assert.is(sha256(await readFile(file)), sha256(direct.bytes.subarray(start, end)), `${way} ${range}`);
      }
    }
  },
);

real('a registry that is gone is not missed for what was pulled once', async () => {
  await using registry = await startRegistry();
  await using pair = await startPair({ origins: [registry.url], chunkSize: '4MiB' });
  const image = await pushImage(registry.url, 'library/big', 'v1', { layerBytes: [9 * MiB] });
  const [layer] = image.layers as [Descriptor];
  const url = blobUrl(registry, layer);
  assert.is(`sha256:${(await get(through(pair.agent, url))).digest}`, layer.digest);
  await registry[Symbol.asyncDispose]();
  for (const node of [pair.agent, pair.root]) {
    assert.is(`sha256:${(await get(through(node, url))).digest}`, layer.digest);
  }
});

test.run();
