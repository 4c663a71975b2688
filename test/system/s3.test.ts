import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download } from '../support/client.ts';
import { startMinio } from '../support/minio.ts';
import { startNode } from '../support/node-process.ts';
import { startOrigin } from '../support/origin.ts';
import { metric, SHORT_TIMEOUTS, startAgent, startPair, startRoot, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import type { S3Server } from '../support/s3-server.ts';
import { shared } from '../support/shared.ts';
import { until } from '../support/until.ts';

const NAME = 'system/s3';
const test = suite(NAME);
const real = need(test, NAME, 'minio');

const CHUNK = 256 * 1024;
const CHUNKS = 12;
const blob = blobOf(CHUNKS * CHUNK - 5, 's3');
const PATH = `/v2/s3/blobs/sha256:${sha256(blob)}`;

const minio = shared(test, startMinio);

const settingsOf = ({ endpoint, bucket, region, accessKeyId, secretAccessKey }: S3Server, prefix = '') => ({
  Endpoint: endpoint,
  Bucket: bucket,
  Region: region,
  AccessKeyId: accessKeyId,
  SecretAccessKey: secretAccessKey,
  Prefix: prefix,
});

real('a root over S3 serves cold, warm, and after a restart without the origin', async () => {
  const s3 = await minio();
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  const url = origin.url + PATH;
  const options = { origins: [origin.url], chunkSize: '256KiB', root: { S3: settingsOf(s3, 'restart') } };
  await using pair = await startPair(options);
  const cold = await download(through(pair.agent, url));
  assert.is(cold.digest, sha256(blob));
  assert.is(origin.bytesSent, blob.length);
  const warm = await download(through(pair.root, url));
  assert.is(warm.digest, sha256(blob));
  assert.is(origin.bytesSent, blob.length, 'a warm root asks the origin for nothing');
  await until('no flight', async () => (await metric(pair.root, 'p2p_flights')) === 0);
  assert.is(await pair.root.stop(), 0);
  origin.always = { reset: true };
  origin.forget();

  await using root = await startNode({ settings: pair.root.settings });
  await using agent = await startAgent(options, [root.url]);
  const answer = await download(through(agent, url));
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(blob));
  assert.is(origin.hits.length, 0);
});

real('two roots over one bucket share what either has fetched', async () => {
  const s3 = await minio();
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  const options = { origins: [origin.url], chunkSize: '256KiB', root: { S3: settingsOf(s3, 'shared') } };
  await using first = await startRoot(options);
  await using second = await startRoot(options);
  assert.is((await download(through(first, origin.url + PATH))).digest, sha256(blob));
  await until('no flight', async () => (await metric(first, 'p2p_flights')) === 0);
  origin.forget();
  assert.is((await download(through(second, origin.url + PATH))).digest, sha256(blob));
  assert.is(origin.hits.length, 0);
});

real('S3 that dies in the middle of a read, or before it, costs nothing but the cache', async () => {
  await using s3 = await startMinio();
  await using origin = await startOrigin({ blobs: { [PATH]: blob }, bitsPerSecond: 80e6 });
  await using root = await startRoot({
    origins: [origin.url],
    chunkSize: '256KiB',
    root: { S3: settingsOf(s3), Timeouts: SHORT_TIMEOUTS },
  });
  let killed = false;
  const answer = await download(through(root, origin.url + PATH), {
    onPiece() {
      if (killed) return;
      killed = true;
      process.kill(s3.pid, 'SIGKILL');
    },
  });
  assert.is(answer.status, 200);
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(blob));
  const other = blobOf(3 * CHUNK, 'without S3');
  const url = origin.put(`/v2/s3/blobs/sha256:${sha256(other)}`, other);
  const without = await download(through(root, url));
  assert.is(without.status, 200);
  assert.is(without.digest, sha256(other));
  assert.ok((await metric(root, 'p2p_failures_total', 'event="store_read_failed"')) > 0);
  assert.is(root.logs('worker_crashed').length, 0);
});

real('S3 that cannot be used stops the start with the setting at fault and exit code 1', async () => {
  const s3 = await minio();
  const good = settingsOf(s3);
  const faults = {
    'a wrong secret': { ...good, SecretAccessKey: 'not-the-secret' },
    'a wrong key': { ...good, AccessKeyId: 'not-the-key' },
    'nothing at the endpoint': { ...good, Endpoint: 'http://127.0.0.1:1' },
    'no endpoint': { Bucket: good.Bucket },
    'a bucket that S3 would not make': { ...good, Bucket: 'No_Such_Bucket!' },
  };
  for (const [name, S3] of Object.entries(faults)) {
    const started = startRoot({ origins: ['*'], root: { S3 } });
    const failure = await started.then(
      async (node) => {
        await node[Symbol.asyncDispose]();
        return undefined;
      },
      (error: Error) => error,
    );
    assert.ok(failure, `${name}: it started`);
    assert.match(failure.message, /S3/, name);
    assert.not.match(failure.message, /\n {4}at /, `${name}: no stack`);
    assert.not.match(failure.message, 'not-the-secret', `${name}: secrets are not printed`);
    assert.match(String((failure.cause as Error).message), 'it ended with 1', name);
  }
});

test.run();
