import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chunkFiles, flipBit } from '../support/cache-files.ts';
import { type Containerd, startContainerd } from '../support/containerd.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import type { FrontFault } from '../support/front.ts';
import { assertEachBlobOnce, type MirrorNetwork, startMirrorNetwork } from '../support/mirror-network.ts';
import { metric } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';
import { tmpfs } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const NAME = 'system/pull-faults';
const test = suite(NAME);

const MiB = 2 ** 20;
const HUB = 'docker.io';
const LAYERS = [9 * MiB, 5 * MiB + 1, 2 * MiB];
// What is served a second time comes from the disk.
const SMALL_MEMORY = { MemCacheSize: '1MiB' };

/** Container engines at their work, each with an image of its own. */
interface Pulls {
  /** All at once; resolves when every engine has its image. */
  run(): Promise<unknown>;
  remove(): Promise<unknown>;
  /**
   * Each engine was given every blob whole at its first request for it: dockerd had nothing to wait for before it asks
   * again, containerd nothing to fail for.
   */
  assertUnnoticed(): void;
}

interface Host extends AsyncDisposable {
  readonly network: MirrorNetwork;
  readonly engines: readonly (Dockerd | Containerd)[];
}

const host = shared<Host>(test, async () => {
  const network = await startMirrorNetwork({ [HUB]: {} });
  const engines = await Promise.all([
    startDockerd({ registryMirrors: [network.mirror.url] }),
    startContainerd({ mirrors: { [HUB]: network.mirror.url } }),
  ]);
  return {
    network,
    engines,
    async [Symbol.asyncDispose]() {
      for (const engine of engines) await engine[Symbol.asyncDispose]();
      await network[Symbol.asyncDispose]();
    },
  };
});

/** Makes an image for each engine, and the network well again. */
async function prepare(fault: string): Promise<{ readonly network: MirrorNetwork; readonly pulls: Pulls }> {
  const { network, engines } = await host();
  network.heal();
  const made = engines.map(async (engine, index) => {
    const repository = `library/dadip2p-${fault}-${index}`;
    const image = await network.push(HUB, repository, { layerBytes: LAYERS, seed: repository });
    return { engine, repository, image, reference: `${HUB}/${repository}:v1` };
  });
  const tasks = await Promise.all(made);
  const pulls: Pulls = {
    run: () => Promise.all(tasks.map(({ engine, reference }) => engine.pull(reference))),
    remove: () => Promise.all(tasks.map(({ engine, reference }) => engine.remove(reference))),
    assertUnnoticed() {
      for (const { repository, image } of tasks) {
        const hits = network.mirror.hits.filter(({ url }) => url.startsWith(`/v2/${repository}/`));
        assertEachBlobOnce({ hits }, image);
      }
    },
  };
  return { network, pulls };
}

const real = need(test, NAME, 'docker-registry', 'dockerd', 'containerd', 'tmpfs');

const ROOT_FAULTS: Readonly<Record<string, FrontFault>> = {
  'goes down': { on: /./, reset: true },
  'answers 500': { on: /./, status: 500 },
  'cuts every transfer mid-layer': { on: /\/blobs\//, cutAfterBytes: 200_000 },
};

for (const [fault, rootFault] of Object.entries(ROOT_FAULTS)) {
  real(`engines notice nothing when the root ${fault} while they pull`, async () => {
    const { network, pulls } = await prepare(`root-${fault.replaceAll(' ', '-')}`);
    const { root } = network;
    await using agent = await network.startAgent();
    root.bitsPerSecond = 150e6;
    const pulling = pulls.run();
    await until('layers to be under way', () => root.blobHits().some(({ finished }) => finished));
    root.forget();
    root.faults = [rootFault];
    await pulling;
    pulls.assertUnnoticed();
    assert.ok(root.blobHits().length > 0, 'the root was asked while it was ill');
    assert.is(agent.logs('worker_crashed').length, 0);
  });
}

real('engines notice nothing when every chunk in the cache has rotted', async () => {
  const { network, pulls } = await prepare('rot');
  await using before = await network.startAgent({ P2PConfig: { CacheConfig: SMALL_MEMORY } });
  await pulls.run();
  await pulls.remove();
  await until('every chunk on disk', async () => (await metric(before, 'p2p_flights')) === 0);
  assert.is(await before.stop(), 0);
  for (const file of await chunkFiles(before.cacheDir)) await flipBit(file, 100);
  network.heal();
  const CacheConfig = { ...SMALL_MEMORY, FileCachePath: before.cacheDir };
  await using agent = await network.startAgent({ P2PConfig: { CacheConfig } });
  await pulls.run();
  pulls.assertUnnoticed();
  assert.ok(network.root.blobHits().length > 0, 'what had rotted was fetched again');
  assert.is(agent.logs('worker_crashed').length, 0);
});

real('engines notice nothing when the disk of the cache is full', async () => {
  const { network, pulls } = await prepare('full');
  await using small = await tmpfs(4 * MiB);
  // The setting allows far more than there is: the kernel says no.
  const CacheConfig = { ...SMALL_MEMORY, FileCachePath: small.path, FileCacheSize: '1GiB', MinFree: 0 };
  await using agent = await network.startAgent({ P2PConfig: { CacheConfig } });
  await pulls.run();
  pulls.assertUnnoticed();
  assert.is(agent.logs('worker_crashed').length, 0);
});

test.run();
