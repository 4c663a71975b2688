import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { sha256 } from './blob-of.ts';
import type { Descriptor, Image } from './image.ts';
import type { NodeProcess } from './node-process.ts';

const run = promisify(execFile);
const PULL_MS = 60_000;

/** All that an image is made of beside its manifest. */
export const blobsOf = (image: Image): Descriptor[] => [image.config, ...image.layers];

/**
 * Pulls an image by skopeo through the proxy port. Go asks no proxy for `localhost` and for what it reads as an
 * address in 127/8; it reads `127.1` as a name, which a URL parser makes 127.0.0.1 of.
 */
export async function pull(
  agent: NodeProcess,
  { reference }: Image,
  target: string,
  timeoutMs = PULL_MS,
): Promise<void> {
  const source = `docker://${reference.replace(/^127\.0\.0\.1:/, '127.1:')}`;
  await run('skopeo', ['--insecure-policy', 'copy', '--src-tls-verify=false', source, `dir:${target}`], {
    env: { PATH: process.env.PATH, ...proxyEnv(agent) },
    timeout: timeoutMs,
  });
}

const proxyEnv = ({ proxyPort }: NodeProcess) => {
  const proxy = `http://127.0.0.1:${proxyPort}`;
  return { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy };
};

/** Holds every file of a folder that skopeo has filled against the image. */
export async function sameImage(target: string, image: Image): Promise<void> {
  const names = await readdir(target);
  for (const { digest, size } of blobsOf(image)) {
    const name = digest.slice('sha256:'.length);
    assert.ok(names.includes(name), `${digest} is missing`);
    const bytes = await readFile(join(target, name));
    assert.is(bytes.length, size);
    assert.is(`sha256:${sha256(bytes)}`, digest);
  }
  const manifest = await readFile(join(target, 'manifest.json'));
  assert.is(`sha256:${sha256(manifest)}`, image.manifest.digest);
}
