import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { S3Bucket } from '../../functions/root/s3-bucket.ts';
import { S3Store } from '../../functions/root/s3-store.ts';
import { HttpClient } from '../../functions/service/http-client.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { eachCase } from '../support/each-case.ts';
import { startMinio } from '../support/minio.ts';
import { startOrigin } from '../support/origin.ts';
import { need } from '../support/programs.ts';
import { CHUNK, openReader } from '../support/reader.ts';
import { S3_FAULTS, S3_READ_FAULTS } from '../support/s3-misdeeds.ts';
import { chunkOf, idOf, sameChunk } from '../support/samples.ts';
import { shared } from '../support/shared.ts';
import { type StrictS3, startStrictS3 } from '../support/strict-s3.ts';
import { PATIENCE_MS } from '../support/until.ts';

const NAME = 'system/s3-faults';
const test = suite(NAME);
const real = need(test, NAME, 'minio');

const minio = shared(test, startMinio);
const CHUNKS = 3;

async function openStore(s3: StrictS3, prefix: string) {
  const http = new HttpClient({ connectMs: PATIENCE_MS, firstByteMs: 5_000, idleMs: 5_000, connections: 16 });
  const settings = {
    Endpoint: s3.endpoint,
    Region: s3.region,
    AccessKeyId: s3.accessKeyId,
    SecretAccessKey: s3.secretAccessKey,
    Bucket: s3.bucket,
    Prefix: prefix,
  };
  const store = new S3Store(await S3Bucket.open(settings, http));
  return {
    store,
    // A reader closes its store.
    [Symbol.asyncDispose]: () => http.close(),
  };
}

real('whatever is wrong with reads of S3, the bytes are right, by way of the origin', async () => {
  await using s3 = await startStrictS3(await minio());
  await using origin = await startOrigin();
  await eachCase(S3_READ_FAULTS, async (fault, name) => {
    const bytes = blobOf(CHUNKS * CHUNK - 9, name);
    const url = origin.put(`/v2/a/blobs/sha256:${sha256(bytes)}`, bytes);
    const prefix = `reads/${sha256(bytes)}`;
    s3.faults = [];
    {
      await using opened = await openStore(s3, prefix);
      await using reader = openReader({ store: opened.store });
      assert.is(sha256(await reader.read(url)), sha256(bytes));
      await reader.reader.settled();
    }
    s3.faults = [{ on: /^GET [^?]*\/\d+\?/, ...fault }];
    await using opened = await openStore(s3, prefix);
    await using reader = openReader({ store: opened.store });
    origin.forget();
    assert.is(sha256(await reader.read(url)), sha256(bytes));
    // One that was fetched ahead is asked of S3 once more when its turn comes, if it is written by then: in vain again.
    const ranges = new Set(origin.hits.filter(({ bytes }) => bytes > 1).map(({ headers }) => headers.range));
    assert.is(ranges.size, CHUNKS, 'each chunk by way of the origin');
    s3.faults = [];
  });
});

real('whatever is wrong with writes to S3, the bytes are right, and nothing wrong is kept', async () => {
  await using s3 = await startStrictS3(await minio());
  await using origin = await startOrigin();
  await eachCase(S3_FAULTS, async (fault, name) => {
    const bytes = blobOf(CHUNKS * CHUNK - 9, `write ${name}`);
    const url = origin.put(`/v2/a/blobs/sha256:${sha256(bytes)}`, bytes);
    const prefix = `writes/${sha256(bytes)}`;
    s3.faults = [{ on: /^PUT/, ...fault }];
    {
      await using opened = await openStore(s3, prefix);
      await using reader = openReader({ store: opened.store });
      assert.is(sha256(await reader.read(url)), sha256(bytes));
      await reader.reader.settled();
    }
    s3.faults = [];
    await using opened = await openStore(s3, prefix);
    await using reader = openReader({ store: opened.store });
    assert.is(sha256(await reader.read(url)), sha256(bytes));
  });
});

real(
  'a clock that is wrong by minutes is no obstacle: calls and presigned URLs go by that of S3',
  async () => {
    await using s3 = await startStrictS3(await minio());
    s3.clockAheadMs = 10 * 60_000;
    s3.toleranceMs = 5 * 60_000;
    await using opened = await openStore(s3, 'skew');
    await opened.store.write(idOf(), chunkOf(1000, 'skew'));
    sameChunk(await opened.store.read(idOf()), chunkOf(1000, 'skew'));
    await opened.store.close();
  },
);

test.run();
