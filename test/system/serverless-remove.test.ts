import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { listObjects, putObjects, startMinio } from '../support/minio.ts';
import { need } from '../support/programs.ts';

const NAME = 'system/serverless-remove';
const test = suite(NAME);
const run = promisify(execFile);

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const SERVERLESS = join(REPOSITORY, 'node_modules/serverless/bin/serverless.js');
// S3 lists and deletes at most a thousand at a time.
const OBJECTS = 1_001;

/** CloudFormation as far as it knows the bucket of one stack; it refuses what comes next. */
async function startCloudFormation(bucket: string) {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const form = new URLSearchParams(await text(request));
    const action = form.get('Action') ?? '';
    asked.push([action, form.get('LogicalResourceId')].filter(Boolean).join(' '));
    response.setHeader('content-type', 'text/xml');
    if (asked.at(-1) === 'DescribeStackResource ChunkBucket') {
      response.end(
        `<DescribeStackResourceResponse><DescribeStackResourceResult><StackResourceDetail><PhysicalResourceId>${bucket}</PhysicalResourceId><ResourceStatus>CREATE_COMPLETE</ResourceStatus></StackResourceDetail></DescribeStackResourceResult></DescribeStackResourceResponse>`,
      );
    } else {
      response.statusCode = 400;
      response.end(
        '<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>enough</Message></Error></ErrorResponse>',
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

need(
  test,
  NAME,
  'minio',
)('removing a stack empties its bucket of chunks first, which CloudFormation would not', async () => {
  await using s3 = await startMinio();
  await using aws = await startCloudFormation(s3.bucket);
  await putObjects(
    s3,
    Array.from({ length: OBJECTS }, (_, n) => `v1/00/${n}`),
  );
  const { NODE_OPTIONS: _, ...env } = process.env;
  const ended = await run(process.execPath, [SERVERLESS, 'remove', '--stage', 'shown'], {
    cwd: REPOSITORY,
    env: {
      ...env,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      AWS_ENDPOINT_URL: aws.url,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      SLS_TELEMETRY_DISABLED: '1',
      SLS_NOTIFICATIONS_MODE: 'off',
    },
  }).catch((error: { stdout: string; stderr: string }) => error);
  assert.equal(await listObjects(s3), [], `${ended.stdout}${ended.stderr}`);
  assert.ok(aws.asked.includes('DescribeStackResource ChunkBucket'), aws.asked.join(', '));
});

test.run();
