import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority } from './authority.ts';
import { sha256 } from './blob-of.ts';
import { type Containerd, startContainerd } from './containerd.ts';
import { isRunning } from './daemon.ts';
import { startDockerd } from './dockerd.ts';
import { NO_BLOBS, startFront } from './front.ts';
import { type Image, pushImage } from './image.ts';
import { need } from './programs.ts';
import { startRegistry } from './registry.ts';
import { startTokenIssuer } from './token-issuer.ts';

const NAME = 'support/container-runtimes';
const test = suite(NAME);

const LAYERS = { layerBytes: [3_000_000, 70_000] };
const failed = (pull: Promise<unknown>): Promise<boolean> =>
  pull.then(
    () => false,
    () => true,
  );

async function keeps(containerd: Containerd, image: Image): Promise<void> {
  for (const { digest } of [image.manifest, image.config, ...image.layers]) {
    assert.is(`sha256:${sha256(await containerd.content(digest))}`, digest);
  }
}

need(
  test,
  NAME,
  'docker-registry',
  'dockerd',
)('dockerd pulls by a mirror, and asks it again for what was removed', async () => {
  await using registry = await startRegistry();
  const image = await pushImage(registry.url, 'library/dadip2p-test', 'v1', LAYERS);
  await using front = await startFront(registry.url);
  let pid: number;
  {
    await using dockerd = await startDockerd({ registryMirrors: [front.url] });
    pid = dockerd.pid;
    assert.is(await dockerd.pull('dadip2p-test:v1'), image.config.digest);
    assert.is(front.blobHits().length, 3);
    assert.equal(
      new Set(front.hits.map(({ status, finished }) => `${status} ${finished}`)),
      new Set(['200 true']),
    );
    await dockerd.remove('dadip2p-test:v1');
    front.forget();
    front.faults = [{ on: /\/blobs\//, cutAfterBytes: 50_000, times: 2 }];
    assert.is(await dockerd.pull('dadip2p-test:v1'), image.config.digest);
    assert.equal(
      new Set(front.blobHits().map(({ headers }) => headers.range)),
      new Set([undefined, 'bytes=50000-']),
    );
  }
  assert.is(isRunning(pid), false);
});

need(
  test,
  NAME,
  'docker-registry',
  'containerd',
)('ctr pulls from two registries by one mirror, and what it keeps can be looked at', async () => {
  await using registry = await startRegistry();
  const image = await pushImage(registry.url, 'team/app', 'v1', { ...LAYERS, format: 'oci' });
  await using front = await startFront(registry.url);
  await using containerd = await startContainerd({
    mirrors: { 'a.test': front.url, 'b.test': front.url },
  });
  await containerd.pull('a.test/team/app:v1');
  await keeps(containerd, image);
  await containerd.remove('a.test/team/app:v1');
  assert.is(await failed(containerd.content(image.config.digest)), true, 'removed with its content');
  await containerd.pull('b.test/team/app:v1');
  assert.equal(
    new Set(front.blobHits().map(({ url }) => url.slice(url.indexOf('?')))),
    new Set(['?ns=a.test', '?ns=b.test']),
  );
  await containerd.remove('b.test/team/app:v1');
  front.faults = [NO_BLOBS];
  assert.is(await failed(containerd.pull('a.test/team/app:v1')), true);
});

need(
  test,
  NAME,
  'docker-registry',
  'containerd',
)('containerd pulls for a kubelet', async () => {
  await using registry = await startRegistry();
  const image = await pushImage(registry.url, 'team/app', 'v1', LAYERS);
  await using containerd = await startContainerd({ cri: true, mirrors: { 'a.test': registry.url } });
  assert.is(await containerd.cri.pull('a.test/team/app:v1'), image.config.digest);
  await keeps(containerd, image);
  await containerd.cri.remove('a.test/team/app:v1');
  assert.is(await failed(containerd.cri.pull('a.test/team/none:v1')), true);
});

need(
  test,
  NAME,
  'docker-registry',
  'containerd',
  'htpasswd',
)('a registry with users lets in those alone', async () => {
  await using registry = await startRegistry({ users: { alice: 's3cret' } });
  const basic = (login: string) => ({ authorization: `Basic ${Buffer.from(login).toString('base64')}` });
  assert.is(await failed(pushImage(registry.url, 'team/app', 'v1', LAYERS)), true);
  const image = await pushImage(registry.url, 'team/app', 'v1', {
    ...LAYERS,
    headers: basic('alice:s3cret'),
  });
  await using containerd = await startContainerd({ mirrors: { 'a.test': registry.url } });
  assert.is(await failed(containerd.pull('a.test/team/app:v1')), true);
  assert.is(await failed(containerd.pull('a.test/team/app:v1', { user: 'alice:wrong' })), true);
  await containerd.pull('a.test/team/app:v1', { user: 'alice:s3cret' });
  await keeps(containerd, image);
});

need(
  test,
  NAME,
  'docker-registry',
  'containerd',
  'openssl',
)('a registry with tokens lets each user read what is theirs, until it no longer is', async () => {
  await using authority = await createAuthority();
  await using issuer = await startTokenIssuer(authority, {
    users: {
      alice: { password: 's3cret', rights: { 'team/app': ['pull', 'push'] } },
      bob: { password: 'hunter2', rights: {} },
    },
    anonymous: { 'library/open': ['pull'] },
  });
  await using registry = await startRegistry({ tokens: issuer });
  const token = issuer.tokenFor('alice', 'repository:team/app:pull,push');
  const image = await pushImage(registry.url, 'team/app', 'v1', {
    ...LAYERS,
    headers: { authorization: `Bearer ${token}` },
  });
  await using containerd = await startContainerd({ mirrors: { 'a.test': registry.url } });
  const pull = (user?: string) => containerd.pull('a.test/team/app:v1', user === undefined ? {} : { user });
  assert.is(await failed(pull()), true);
  assert.is(await failed(pull('bob:hunter2')), true);
  await pull('alice:s3cret');
  await keeps(containerd, image);
  await containerd.remove('a.test/team/app:v1');
  issuer.setRights('alice', {});
  assert.is(await failed(pull('alice:s3cret')), true);
  assert.equal(
    new Set(issuer.requests.filter(({ status }) => status === 200).map(({ user }) => user)),
    new Set([undefined, 'bob', 'alice']),
  );
});

need(
  test,
  NAME,
  'docker-registry',
  'openssl',
)('a front takes TLS with a certificate that whoever trusts its authority accepts', async () => {
  await using authority = await createAuthority();
  await using registry = await startRegistry();
  await using front = await startFront(registry.url, { tls: await authority.leaf('IP:127.0.0.1') });
  const ask = (ca: Buffer | undefined) =>
    once(request(`${front.url}/v2/`, { ...(ca && { ca }), agent: false }).end(), 'response');
  const [reply] = await ask(await readFile(authority.certFile));
  assert.is(reply.resume().statusCode, 200);
  assert.is(await failed(ask(undefined)), true);
});

test.run();
