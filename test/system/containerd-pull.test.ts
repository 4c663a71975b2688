import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority } from '../support/authority.ts';
import { sha256 } from '../support/blob-of.ts';
import { type Containerd, startContainerd } from '../support/containerd.ts';
import type { Image } from '../support/image.ts';
import { assertEachBlobOnce, type MirrorNetwork, startMirrorNetwork } from '../support/mirror-network.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';
import { startTokenIssuer, type TokenIssuer } from '../support/token-issuer.ts';
import { until } from '../support/until.ts';

const NAME = 'system/containerd-pull';
const test = suite(NAME);

const MiB = 2 ** 20;
const NAMES = ['a.test', 'b.test'] as const;
const [USER, PASSWORD] = ['alice', 's3cret'] as const;
const PRIVATE = 'team/private';

interface Host extends AsyncDisposable {
  readonly issuer: TokenIssuer;
  readonly network: MirrorNetwork;
  readonly containerd: Containerd;
}

const host = shared<Host>(test, async () => {
  const authority = await createAuthority();
  const rights = { [PRIVATE]: ['pull', 'push'] };
  const issuer = await startTokenIssuer(authority, { users: { [USER]: { password: PASSWORD, rights } } });
  const network = await startMirrorNetwork({
    'a.test': {},
    'b.test': {},
    'basic.test': { users: { [USER]: PASSWORD } },
    'token.test': { tokens: issuer },
  });
  const names = Object.keys(network.registries);
  const mirrors = Object.fromEntries(names.map((name) => [name, network.mirror.url]));
  const containerd = await startContainerd({ cri: true, mirrors });
  return {
    issuer,
    network,
    containerd,
    async [Symbol.asyncDispose]() {
      for (const value of [containerd, network, issuer, authority]) await value[Symbol.asyncDispose]();
    },
  };
});

/** Every blob of the image lies in containerd's store, with the bytes that its digest says. */
async function keepsWhole(containerd: Containerd, image: Image): Promise<void> {
  for (const { digest } of [image.manifest, image.config, ...image.layers]) {
    assert.is(`sha256:${sha256(await containerd.content(digest))}`, digest);
  }
}

/** The host, with a network that is well again. */
const fresh = async (): Promise<Host> => {
  const it = await host();
  it.network.heal();
  return it;
};

const real = need(test, NAME, 'docker-registry', 'containerd', 'htpasswd', 'openssl');

real(
  'ctr pulls from two registries at once by ?ns=, the second time without a blob from either',
  async () => {
    const { network, containerd } = await fresh();
    await using _agent = await network.startAgent();
    // The same repository and tag in both, with other content: only the name of the registry tells them apart.
    const images = await Promise.all(
      NAMES.map((name) =>
        network.push(name, 'team/app', {
          layerBytes: [4 * MiB + 1, 2 * MiB, 100],
          seed: name,
          format: 'oci',
        }),
      ),
    );
    const pullBoth = () => Promise.all(NAMES.map((name) => containerd.pull(`${name}/team/app:v1`)));
    for (const turn of ['first', 'second']) {
      await pullBoth();
      for (const image of images) await keepsWhole(containerd, image);
      for (const name of NAMES) {
        const hits = network.mirror.hits.filter(({ url }) => url.endsWith(`?ns=${name}`));
        const image = images[NAMES.indexOf(name)] as Image;
        assertEachBlobOnce({ hits }, image);
        const origin = network.registries[name]?.front;
        if (turn === 'second') assert.equal(origin?.blobHits(), []);
        assert.ok((origin?.hits.length ?? 0) > 0, 'the tag was looked up at the registry');
      }
      for (const name of NAMES) await containerd.remove(`${name}/team/app:v1`);
      network.closeOrigins();
    }
  },
);

real('a kubelet pulls by the CRI, the second time without a blob from the registry', async () => {
  const { network, containerd } = await fresh();
  await using _agent = await network.startAgent();
  const image = await network.push('a.test', 'team/cri', { layerBytes: [3 * MiB, 2 * MiB], seed: 'cri' });
  for (const turn of ['first', 'second']) {
    assert.is(await containerd.cri.pull('a.test/team/cri:v1'), image.config.digest, turn);
    await keepsWhole(containerd, image);
    assertEachBlobOnce(network.mirror, image);
    if (turn === 'second') assert.equal(network.registries['a.test']?.front.blobHits(), []);
    await containerd.cri.remove('a.test/team/cri:v1');
    network.closeOrigins();
  }
});

for (const way of ['basic', 'token'] as const) {
  real(
    `ctr and a kubelet pull from a registry with ${way} authentication, cold and warm; nobody else does`,
    async () => {
      const { network, containerd, issuer } = await fresh();
      await using _agent = await network.startAgent();
      const name = `${way}.test`;
      const reference = `${name}/${PRIVATE}:v1`;
      const authorization =
        way === 'basic'
          ? `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`
          : `Bearer ${issuer.tokenFor(USER, `repository:${PRIVATE}:pull,push`)}`;
      const headers = { authorization };
      const image = await network.push(name, PRIVATE, { layerBytes: [3 * MiB, 1000], seed: name, headers });
      const isRefused = (pull: Promise<unknown>) =>
        pull.then(
          () => false,
          (error: Error) => /40[13]|denied|[Uu]nauthorized|authorization failed/.test(error.message),
        );
      assert.is(await isRefused(containerd.pull(reference)), true, 'cold');
      for (const turn of ['first', 'second']) {
        await containerd.pull(reference, { user: `${USER}:${PASSWORD}` });
        await keepsWhole(containerd, image);
        await containerd.remove(reference);
        if (turn === 'second') assert.equal(network.registries[name]?.front.blobHits(), []);
        network.closeOrigins();
      }
      const login = { username: USER, password: PASSWORD };
      assert.is(await containerd.cri.pull(reference, login), image.config.digest);
      await containerd.cri.remove(reference);
      assert.equal(network.registries[name]?.front.blobHits(), []);
      assert.is(await isRefused(containerd.pull(reference)), true, 'warm');
      assert.is(await isRefused(containerd.pull(reference, { user: 'bob:hunter2' })), true);
      assert.is(await isRefused(containerd.cri.pull(reference)), true);
      assert.equal(
        network.mirror.hits.filter(({ status }) => status >= 500),
        [],
      );
    },
  );
}

real(
  'half a gigabyte goes on by Range where a killed client left off, and where a killed worker did',
  async () => {
    const { network, containerd } = await fresh();
    const { mirror } = network;
    await using agent = await network.startAgent();
    const layerBytes = [200, 120, 100, 70, 30].map((size) => size * MiB);
    const image = await network.push('a.test', 'team/big', { layerBytes, seed: 'big' });
    const arrived = () => mirror.hits.reduce((sum, { bytes }) => sum + bytes, 0);
    const ranges = () => mirror.blobHits().filter(({ status, headers }) => status === 206 && headers.range);

    // Enough to catch it under way, whatever the machine.
    mirror.bitsPerSecond = 1.5e9;
    const client = new AbortController();
    const killed = containerd
      .pull('a.test/team/big:v1', { signal: client.signal })
      .catch((error) => error.name);
    await until('a part of it', () => arrived() > 120 * MiB);
    client.abort();
    assert.is(await killed, 'AbortError');
    assert.equal(ranges(), []);

    mirror.forget();
    const pulling = containerd.pull('a.test/team/big:v1');
    await until('another part of it', () => arrived() > 120 * MiB);
    const resumed = ranges().length;
    assert.ok(resumed > 0, 'the second client went on where the first was');
    await agent.killWorker();
    mirror.bitsPerSecond = undefined;
    await pulling;
    assert.ok(ranges().length > resumed, 'and once more after the crash');
    await keepsWhole(containerd, image);
    assert.equal(
      mirror.hits.filter(({ status }) => status >= 400),
      [],
    );
  },
);

test.run();
