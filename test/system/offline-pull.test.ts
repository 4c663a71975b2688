import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PLAN_TYPE } from '../../functions/protocol/plan.ts';
import { startFront } from '../support/front.ts';
import { pushImage } from '../support/image.ts';
import { startMinio } from '../support/minio.ts';
import { startOffline } from '../support/offline.ts';
import { startAgent } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { startWatchedRegistry } from '../support/registry.ts';
import { blobsOf, pull, sameImage } from '../support/skopeo.ts';
import { startStrictS3 } from '../support/strict-s3.ts';
import { tempDir } from '../support/temp-dir.ts';
import { s3Env } from '../support/through-function.ts';

const NAME = 'system/offline-pull';
const test = need(suite(NAME), NAME, 'minio', 'docker-registry', 'skopeo');

const MiB = 2 ** 20;
const CHUNK = 4 * MiB;
// What one plan tells of.
const PLANNED_BYTES = 64 * CHUNK;
const IS_LARGE = process.env.LARGE === '1';
const LAYERS = IS_LARGE ? [20 * MiB, 60 * MiB, 100 * MiB, 120 * MiB, 270 * MiB] : [5 * MiB, 9 * MiB + 12_345];
const PULL_MS = 600_000;

test('of an image that serverless offline has kept in MinIO, no blob moves through it: a plan for 64 chunks', async () => {
  await using minio = await startMinio();
  await using s3 = await startStrictS3(minio);
  await using registry = await startWatchedRegistry();
  const image = await pushImage(registry.url, 'library/offline', 'v1', { layerBytes: LAYERS, seed: NAME });
  await using offline = await startOffline({ ...s3Env(s3), DADIP2P_Origins: `[${registry.url}]` });
  await using front = await startFront(offline.url);
  await using dir = await tempDir();
  const blobs = blobsOf(image);
  const size = blobs.reduce((sum, blob) => sum + blob.size, 0);
  const report: Record<string, unknown> = { bytes: size };
  for (const warmth of ['cold', 'warm'] as const) {
    // Another each time, with nothing in its cache.
    await using agent = await startAgent(
      { origins: [registry.url], chunkSize: '4MiB', agent: { OriginFallback: false } },
      [front.url],
    );
    front.forget();
    s3.forget();
    const before = registry.blobHits().length;
    const startedMs = performance.now();
    const target = join(dir.path, warmth);
    await pull(agent, image, target, PULL_MS);
    const seconds = (performance.now() - startedMs) / 1000;
    await sameImage(target, image);
    await rm(target, { recursive: true });

    const answered = front.blobHits().filter(({ status, bytes }) => status < 300 && bytes > 0);
    const plans = answered.filter(({ headers }) => headers.accept === PLAN_TYPE);
    const moved = answered.filter(({ headers }) => headers.accept !== PLAN_TYPE);
    const read = s3.hits.filter(({ method, headers }) => method === 'GET' && headers.range === undefined);
    report[warmth] = {
      seconds: Math.round(seconds),
      throughFunctions: moved.reduce((sum, { bytes }) => sum + bytes, 0),
      fromS3: read.reduce((sum, { bytes }) => sum + bytes, 0),
      plans: plans.length,
      fromRegistry: registry.blobHits().length - before,
    };
    if (warmth === 'cold') continue;
    assert.equal(
      moved.map(({ url }) => url),
      [],
      'no byte of a blob',
    );
    const windows = blobs.reduce((sum, blob) => sum + Math.ceil(blob.size / PLANNED_BYTES), 0);
    assert.ok(plans.length <= windows, `${plans.length} plans for ${windows} times 64 chunks or less`);
    assert.ok(read.reduce((sum, { bytes }) => sum + bytes, 0) >= size);
  }
  if (IS_LARGE) console.log(JSON.stringify(report, undefined, 1));
});

test.run();
