import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import type { Image } from '../support/image.ts';
import { assertEachBlobOnce, type MirrorNetwork, startMirrorNetwork } from '../support/mirror-network.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';
import { until } from '../support/until.ts';

const NAME = 'system/docker-pull';
const test = suite(NAME);

const MiB = 2 ** 20;
const HUB = 'docker.io';

interface Host extends AsyncDisposable {
  readonly network: MirrorNetwork;
  readonly dockerd: Dockerd;
}

const host = shared<Host>(test, async () => {
  const network = await startMirrorNetwork({ [HUB]: {} });
  const dockerd = await startDockerd({ registryMirrors: [network.mirror.url] });
  return {
    network,
    dockerd,
    async [Symbol.asyncDispose]() {
      await dockerd[Symbol.asyncDispose]();
      await network[Symbol.asyncDispose]();
    },
  };
});

/** The host, with a network that is well again. */
const fresh = async (): Promise<Host> => {
  const it = await host();
  it.network.heal();
  return it;
};

const real = need(test, NAME, 'docker-registry', 'dockerd');

real('docker pulls by a registry mirror, the second time without a blob from the registry', async () => {
  const { network, dockerd } = await fresh();
  const { mirror, registries } = network;
  await using _agent = await network.startAgent();
  const image = await network.push(HUB, 'library/dadip2p-test', {
    layerBytes: [5 * MiB + 1, 3 * MiB, MiB, 1000],
    seed: 'docker-pull',
  });
  assert.is(await dockerd.pull('dadip2p-test:v1'), image.config.digest);
  assertEachBlobOnce(mirror, image);
  const origin = registries[HUB]?.front;
  const sent = origin?.blobHits().reduce((sum, { bytes }) => sum + bytes, 0);
  const size = [image.config, ...image.layers].reduce((sum, { size }) => sum + size, 0);
  assert.is(sent, size, 'the registry sent each byte of each blob once');

  await dockerd.remove('dadip2p-test:v1');
  network.closeOrigins();
  assert.is(await dockerd.pull('dadip2p-test:v1'), image.config.digest);
  assertEachBlobOnce(mirror, image);
  assert.equal(origin?.blobHits(), []);
  assert.ok((origin?.hits.length ?? 0) > 0, 'the tag was looked up at the registry');
});

for (const [what, referenceOf] of [
  ['a manifest by its digest', ({ manifest }: Image) => `dadip2p-away@${manifest.digest}`],
  ['a tag', () => 'dadip2p-away:v1'],
] as const) {
  real(`docker pulls ${what}, and then without the registry`, async () => {
    const { network, dockerd } = await fresh();
    await using _agent = await network.startAgent();
    const image = await network.push(HUB, 'library/dadip2p-away', { layerBytes: [MiB], seed: what });
    const reference = referenceOf(image);
    assert.is(await dockerd.pull(reference), image.config.digest);
    await dockerd.remove(reference);
    network.heal();
    for (const { front } of Object.values(network.registries)) front.faults = [{ on: /./, reset: true }];
    assert.is(await dockerd.pull(reference), image.config.digest);
    await dockerd.remove(reference);
    assertEachBlobOnce(network.mirror, image);
  });
}

real('an image that is not there is not there, and no error of ours', async () => {
  const { network, dockerd } = await fresh();
  await using _agent = await network.startAgent();
  await dockerd.pull('dadip2p-none:v1').then(
    () => assert.unreachable('pulled what is not there'),
    () => undefined,
  );
  const statuses = network.mirror.hits.filter(({ url }) => url.includes('dadip2p-none'));
  assert.equal(new Set(statuses.map(({ status }) => status)), new Set([404]));
});

real('a pull goes on by Range where a killed worker broke it off', async () => {
  const { network, dockerd } = await fresh();
  const { mirror } = network;
  await using agent = await network.startAgent();
  const image = await network.push(HUB, 'library/dadip2p-crash', { layerBytes: [32 * MiB], seed: 'crash' });
  mirror.bitsPerSecond = 200e6;
  const pulling = dockerd.pull('dadip2p-crash:v1');
  await until('the layer to be under way', () => mirror.hits.some(({ bytes }) => bytes > 4 * MiB));
  await agent.killWorker();
  mirror.bitsPerSecond = undefined;
  assert.is(await pulling, image.config.digest);
  const [layer] = image.layers;
  const hits = mirror.hits.filter(({ url }) => url.includes(layer?.digest ?? '-'));
  assert.equal(
    hits.map(({ status, headers }) => [status, headers.range]),
    [
      [200, undefined],
      [206, `bytes=${hits[0]?.bytes}-`],
    ],
  );
});

test.run();
