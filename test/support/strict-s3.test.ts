import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { get } from './client.ts';
import { eachCase } from './each-case.ts';
import { startMinio } from './minio.ts';
import { need } from './programs.ts';
import { type S3ErrorCode, s3Error } from './s3-rules.ts';
import { shared } from './shared.ts';
import { type StrictS3, startStrictS3 } from './strict-s3.ts';

const NAME = 'support/strict-s3';
const test = suite(NAME);
const real = need(test, NAME, 'minio');

const minio = shared(test, startMinio);
const MINUTE_MS = 60_000;

/** A client that says what it is answered: it does not try again, and does not mind a wrong clock. */
function clientOf({ endpoint, region, accessKeyId, secretAccessKey }: StrictS3, maxAttempts = 1): S3Client {
  const credentials = { accessKeyId, secretAccessKey };
  return new S3Client({ endpoint, region, forcePathStyle: true, credentials, maxAttempts });
}

const put = (s3: StrictS3, Key: string, more: object = {}, client = clientOf(s3)) =>
  client.send(new PutObjectCommand({ Bucket: s3.bucket, Key, Body: Buffer.from('bytes'), ...more })).then(
    () => 200,
    (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode ?? 0,
  );

const presigned = (s3: StrictS3, Key: string, expiresIn = 60) =>
  getSignedUrl(clientOf(s3), new GetObjectCommand({ Bucket: s3.bucket, Key }), { expiresIn });

real('what is right by the rules passes through, byte for byte', async () => {
  await using s3 = await startStrictS3(await minio());
  assert.is(await put(s3, 'plain/a b'), 200);
  const answer = await get(await presigned(s3, 'plain/a b'));
  assert.is(answer.status, 200);
  assert.is(answer.text, 'bytes');
  const list = await clientOf(s3).send(new ListObjectsV2Command({ Bucket: s3.bucket, Prefix: 'plain/' }));
  assert.equal(
    list.Contents?.map(({ Key }) => Key),
    ['plain/a b'],
  );
});

real('a presigned URL with an Authorization beside it is refused', async () => {
  await using s3 = await startStrictS3(await minio());
  await put(s3, 'both');
  const url = await presigned(s3, 'both');
  const answer = await get(url, { headers: { authorization: 'Bearer of-the-registry' } });
  assert.is(answer.status, 400);
  assert.match(answer.text, '<Code>InvalidArgument</Code>');
});

real('a presigned URL ends by the clock of the server', async () => {
  await using s3 = await startStrictS3(await minio());
  await put(s3, 'ends');
  const url = await presigned(s3, 'ends', 60);
  s3.clockAheadMs = MINUTE_MS - 5_000;
  assert.is((await get(url)).status, 200);
  s3.clockAheadMs = MINUTE_MS + 5_000;
  const late = await get(url);
  assert.is(late.status, 403);
  assert.match(late.text, 'Request has expired');
});

real(
  'a signature of another time is refused, and a client that looks at the reply’s date recovers',
  async () => {
    await using s3 = await startStrictS3(await minio());
    s3.clockAheadMs = 10 * MINUTE_MS;
    s3.toleranceMs = 5 * MINUTE_MS;
    assert.is(await put(s3, 'skewed'), 403);
    const patient = clientOf(s3, 2);
    assert.is(await put(s3, 'skewed', {}, patient), 200);
  },
);

real('a prefix takes so many requests a second, reads and writes apart', async () => {
  await using s3 = await startStrictS3(await minio());
  s3.rates = { writes: 2, reads: 1 };
  const statuses = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => put(s3, `v1/aa/${n}`)));
  assert.ok(statuses.includes(503), statuses.join());
  assert.ok(statuses.filter((status) => status === 200).length >= 2, statuses.join());
  assert.is(await put(s3, 'v1/bb/1'), 200, 'another prefix has a rate of its own');
});

real('conditions of a PUT are kept, ignored or refused', async () => {
  await using s3 = await startStrictS3(await minio());
  const once = { IfNoneMatch: '*' };
  assert.equal([await put(s3, 'once', once), await put(s3, 'once', once)], [200, 412]);
  s3.conditions = 'ignored';
  assert.is(await put(s3, 'once', once), 200);
  s3.conditions = 'refused';
  assert.is(await put(s3, 'once', once), 501);
});

real('faults are done to the requests they are for', async () => {
  await using s3 = await startStrictS3(await minio());
  await put(s3, 'faulty');
  const url = await presigned(s3, 'faulty');
  await eachCase<S3ErrorCode>(
    { a: 'InternalError', b: 'SlowDown', c: 'NoSuchBucket', d: 'AccessDenied', e: 'RequestTimeTooSkewed' },
    async (code) => {
      s3.faults = [{ on: /^GET/, times: 1, ...s3Error(code) }];
      const answer = await get(url);
      assert.is(answer.status, s3Error(code).status);
      assert.match(answer.text, `<Code>${code}</Code>`);
      assert.is((await get(url)).status, 200, 'once, as it says');
    },
  );
  s3.faults = [{ on: /^GET/, reset: true }];
  assert.is((await get(url)).status, 0);
  s3.faults = [{ on: /^GET/, resetAfterBytes: 2 }];
  assert.is((await get(url)).complete, false);
  s3.faults = [{ on: /^GET/, cutAfterBytes: 2 }];
  const cut = await get(url);
  assert.is(cut.complete, false);
  assert.is(cut.size, 2);
  s3.faults = [{ on: /^GET/, corrupt: 0 }];
  assert.is((await get(url)).text, 'cytes');
  s3.faults = [{ on: /^PUT/, loseReply: true }];
  assert.is(await put(s3, 'lost'), 0);
  s3.faults = [];
  assert.is((await get(await presigned(s3, 'lost'))).status, 200, 'it was put all the same');
});

test.run();
