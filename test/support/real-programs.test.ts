import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from './blob-of.ts';
import { get } from './client.ts';
import { isRunning } from './daemon.ts';
import { pushImage } from './image.ts';
import { startMinio } from './minio.ts';
import { startNginx } from './nginx.ts';
import { need } from './programs.ts';
import { startWatchedRegistry } from './registry.ts';
import { tempDir } from './temp-dir.ts';
import { until } from './until.ts';

const NAME = 'support/real-programs';
const test = suite(NAME);
const run = promisify(execFile);

need(
  test,
  NAME,
  'docker-registry',
  'skopeo',
)('pushes images that skopeo pulls whole', async () => {
  await using registry = await startWatchedRegistry();
  await using dir = await tempDir();
  for (const format of ['docker', 'oci'] as const) {
    const image = await pushImage(registry.url, 'library/small', format, {
      layerBytes: [100_000, 1],
      format,
    });
    assert.equal(
      await pushImage(registry.url, 'library/small', format, { layerBytes: [100_000, 1], format }),
      image,
    );
    const target = join(dir.path, format);
    await run('skopeo', [
      '--insecure-policy',
      'copy',
      '--src-tls-verify=false',
      `docker://${image.reference}`,
      `dir:${target}`,
    ]);
    const names = await readdir(target);
    for (const { digest } of [...image.layers, image.config]) {
      assert.ok(names.includes(digest.slice(7)), digest);
      assert.is(`sha256:${sha256(await readFile(join(target, digest.slice(7))))}`, digest);
    }
  }
  const pulled = registry.blobHits().filter(({ method }) => method === 'GET');
  assert.is(pulled.length, 6);
});

need(
  test,
  NAME,
  'nginx',
)('serves a folder with nginx, and logs what it was asked', async () => {
  let pid: number;
  {
    await using nginx = await startNginx();
    pid = nginx.pid;
    const bytes = blobOf(50_000, 'nginx');
    const url = await nginx.put('b', bytes);
    assert.is((await get(url)).digest, sha256(bytes));
    const part = await get(`${url}?q=1`, { headers: { range: 'bytes=10-19' } });
    assert.is(part.digest, sha256(bytes.subarray(10, 20)));
    const hits = await until('the log', () => (nginx.hits().length === 2 ? nginx.hits() : undefined));
    assert.equal(hits, [
      { method: 'GET', url: '/b', status: 200, bytes: 50_000, range: undefined },
      { method: 'GET', url: '/b?q=1', status: 206, bytes: 10, range: 'bytes=10-19' },
    ]);
  }
  assert.is(isRunning(pid), false);
});

need(
  test,
  NAME,
  'minio',
)('keeps objects in an S3 server that checks signatures', async () => {
  await using s3 = await startMinio();
  const client = (secretAccessKey: string) =>
    new S3Client({
      endpoint: s3.endpoint,
      region: s3.region,
      forcePathStyle: true,
      credentials: { accessKeyId: s3.accessKeyId, secretAccessKey },
    });
  const at = { Bucket: s3.bucket, Key: 'k' };
  await client(s3.secretAccessKey).send(new PutObjectCommand({ ...at, Body: blobOf(1000, 's3') }));
  const got = await client(s3.secretAccessKey).send(new GetObjectCommand(at));
  assert.is(sha256((await got.Body?.transformToByteArray()) as Uint8Array), sha256(blobOf(1000, 's3')));
  const refused = await client('wrong')
    .send(new GetObjectCommand(at))
    .catch((error: unknown) => error);
  assert.is((refused as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode, 403);
});

test.run();
