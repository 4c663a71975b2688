import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { objectsUrl, S3Signer } from '../../../functions/root/s3-signer.ts';
import { eachCase } from '../../support/each-case.ts';

const test = suite('functions/root/s3-signer');

const CASES = {
  'AWS, a host of its own': ['https://s3.eu-west-1.amazonaws.com', 'chunks-1', true],
  'AWS, a name with a dot': ['https://s3.eu-west-1.amazonaws.com', 'chunks.1', true],
  'another store': ['http://127.0.0.1:9000', 'chunks', false],
  'another store below a path': ['https://store.test/s3/', 'chunks', false],
} as const;

test('names an object as the SDK does, wherever the bucket is', async () => {
  await eachCase(CASES, async ([endpoint, bucket, isAws]) => {
    const credentials = { accessKeyId: 'key', secretAccessKey: 'secret', sessionToken: 'a/token+=' };
    const client = new S3Client({ endpoint, region: 'eu-west-1', forcePathStyle: !isAws, credentials });
    const signer = new S3Signer(client, objectsUrl(endpoint, bucket, isAws));
    const key = "v1/aa/sha256:0f/a b'(c)/7";
    const own = new URL(await signer.sign(key, 900));
    const command = new GetObjectCommand({ Bucket: bucket, Key: key });
    const known = new URL(await getSignedUrl(client, command, { expiresIn: 900 }));
    assert.is(own.origin + own.pathname, known.origin + known.pathname);
    for (const name of ['Algorithm', 'Credential', 'Expires', 'Security-Token', 'SignedHeaders']) {
      assert.is(own.searchParams.get(`X-Amz-${name}`), known.searchParams.get(`X-Amz-${name}`), name);
    }
    client.destroy();
  });
});

test.run();
