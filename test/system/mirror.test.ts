import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { type Image, pushImage } from '../support/image.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAME = 'system/mirror';
const test = suite(NAME);
const run = promisify(execFile);

const PULL_MS = 60_000;
const MiB = 2 ** 20;
const REPOSITORY = 'library/mirrored';
const LAYERS = [2 * MiB + 1, 70_000];

const mirrorOf = ({ proxyPort }: NodeProcess): string => `http://127.0.0.1:${proxyPort}`;

/** A root, and an agent that mirrors this registry. */
const startMirror = (registry: Registry): Promise<Pair> =>
  startPair({ origins: [registry.url], agent: { Mirror: { Default: registry.url } } });

const push = (registry: Registry, seed: string): Promise<Image> =>
  pushImage(registry.url, REPOSITORY, 'v1', { layerBytes: LAYERS, seed });

/** Pulls from Docker Hub, as far as skopeo knows, whose mirror this agent is. */
async function pull(agent: NodeProcess, dir: string, tag = 'v1'): Promise<Buffer> {
  const conf = join(dir, 'registries.conf');
  await writeFile(
    conf,
    `[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "127.0.0.1:${agent.proxyPort}"
insecure = true
`,
  );
  const target = join(dir, 'image');
  const flags = ['--insecure-policy', '--registries-conf', conf, 'copy'];
  await run('skopeo', [...flags, '--all', `docker://docker.io/${REPOSITORY}:${tag}`, `dir:${target}`], {
    env: { PATH: process.env.PATH },
    timeout: PULL_MS,
  });
  return readFile(join(target, 'manifest.json'));
}

const real = need(test, NAME, 'docker-registry', 'skopeo');

real(
  'skopeo pulls by a mirror of registries.conf, and once more when registry and root are gone',
  async () => {
    await using registry = await startRegistry();
    await using pair = await startMirror(registry);
    await using dir = await tempDir();
    const image = await push(registry, 'skopeo');
    assert.is(`sha256:${sha256(await pull(pair.agent, dir.path))}`, image.manifest.digest);
    await registry[Symbol.asyncDispose]();
    await pair.root.stop('SIGKILL');
    await pair.agent.killWorker();
    await using again = await tempDir();
    assert.is(`sha256:${sha256(await pull(pair.agent, again.path))}`, image.manifest.digest);
  },
);

real('a tag that moved is seen at the next pull', async () => {
  await using registry = await startRegistry();
  await using pair = await startMirror(registry);
  for (const seed of ['before', 'after']) {
    const image = await push(registry, seed);
    await using dir = await tempDir();
    assert.is(`sha256:${sha256(await pull(pair.agent, dir.path))}`, image.manifest.digest);
  }
});

real(
  'an image for several platforms comes with all of them, each manifest by its digest and type',
  async () => {
    await using registry = await startRegistry();
    await using pair = await startMirror(registry);
    const images: Image[] = [];
    for (const architecture of ['amd64', 'arm64']) {
      const made = { layerBytes: [1000], seed: architecture, format: 'oci' } as const;
      images.push(await pushImage(registry.url, REPOSITORY, architecture, made));
    }
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const manifests = images.map(({ manifest }, at) => {
      const platform = { os: 'linux', architecture: at === 0 ? 'amd64' : 'arm64' };
      return { ...manifest, platform };
    });
    const index = JSON.stringify({ schemaVersion: 2, mediaType, manifests });
    const pushed = await get(`${registry.url}/v2/${REPOSITORY}/manifests/multi`, {
      method: 'PUT',
      headers: { 'content-type': mediaType, 'content-length': String(index.length) },
      body: index,
    });
    assert.is(pushed.status, 201);
    for (const isThere of [true, false]) {
      if (!isThere) await registry[Symbol.asyncDispose]();
      await using dir = await tempDir();
      assert.is((await pull(pair.agent, dir.path, 'multi')).toString(), index);
      for (const { digest } of manifests) {
        const file = join(dir.path, 'image', `${digest.slice('sha256:'.length)}.manifest.json`);
        assert.is(`sha256:${sha256(await readFile(file))}`, digest);
      }
    }
  },
);

real('the pull part of OCI conformance: what is there, and what is not', async () => {
  await using registry = await startRegistry();
  await using pair = await startMirror(registry);
  const image = await push(registry, 'conformance');
  const [layer] = image.layers as [Image['config']];
  const base = `${mirrorOf(pair.agent)}/v2/${REPOSITORY}`;
  const accept = { accept: image.manifest.mediaType };
  for (const [path, { digest, size }] of [
    [`manifests/${image.manifest.digest}`, image.manifest],
    ['manifests/v1', image.manifest],
    [`blobs/${image.config.digest}`, image.config],
    [`blobs/${layer.digest}`, layer],
  ] as const) {
    for (const method of ['HEAD', 'GET', 'HEAD']) {
      const answer = await get(`${base}/${path}`, { method, headers: accept });
      assert.is(answer.status, 200, `${method} ${path}`);
      assert.is(answer.headers['docker-content-digest'], digest, `${method} ${path}`);
      assert.is(answer.headers['content-length'], String(size), `${method} ${path}`);
      if (path.startsWith('manifests')) assert.is(answer.headers['content-type'], image.manifest.mediaType);
      if (method === 'GET') assert.is(`sha256:${answer.digest}`, digest, path);
    }
  }
  const absent = `sha256:${sha256(Buffer.from('absent'))}`;
  for (const path of [
    'manifests/.INVALID_MANIFEST_NAME',
    'manifests/absent',
    `manifests/${absent}`,
    `blobs/${absent}`,
  ]) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await get(`${base}/${path}`, { method, headers: accept });
      assert.is(answer.status, 404, `${method} ${path}`);
      if (method === 'GET') assert.match(JSON.parse(answer.text).errors[0].code, /^(MANIFEST|BLOB)_UNKNOWN$/);
    }
  }
  const tags = await get(`${base}/tags/list`);
  assert.equal(JSON.parse(tags.text), { name: REPOSITORY, tags: ['v1'] });
});

test.run();
