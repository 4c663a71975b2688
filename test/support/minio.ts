import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { get } from './client.ts';
import { freePort, startDaemon } from './daemon.ts';
import { enterPlace, HERE, type Place } from './place.ts';
import { findMinio } from './programs.ts';
import { startRadosgw } from './radosgw.ts';
import type { S3Server } from './s3-server.ts';
import { tempDir } from './temp-dir.ts';

const BUCKET = 'dadip2p-test';
const REGION = 'us-east-1';

/** Starts MinIO with an empty disk, on a free port unless told; radosgw where there is no MinIO, but only here. */
export async function startMinio(place: Place = HERE, port?: number): Promise<S3Server> {
  const program = findMinio();
  const s3 =
    program === undefined
      ? await startRadosgw({ bucket: BUCKET, region: REGION })
      : await start(program, place, port ?? (await freePort()));
  await createBucket(s3);
  return s3;
}

async function start(program: string, place: Place, port: number): Promise<S3Server> {
  const dir = await tempDir();
  const address = `${place.address}:${port}`;
  const endpoint = `http://${address}`;
  const [accessKeyId, secretAccessKey] = ['test-access-key', 'test-secret-key'];
  const args = ['server', '--quiet', '--address', address, dir.path];
  const env = {
    ...process.env,
    MINIO_ROOT_USER: accessKeyId,
    MINIO_ROOT_PASSWORD: secretAccessKey,
    MINIO_BROWSER: 'off',
    MINIO_UPDATE: 'off',
  };
  const isUp = async () => (await get(`${endpoint}/minio/health/ready`)).status === 200;
  const daemon = await startDaemon(...enterPlace(place, program, args), isUp, { env });
  return {
    server: 'minio',
    endpoint,
    region: REGION,
    accessKeyId,
    secretAccessKey,
    bucket: BUCKET,
    pid: daemon.pid,
    async [Symbol.asyncDispose]() {
      await daemon.stop('SIGKILL');
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** The name of every object of the bucket. */
export async function listNames(s3: S3Server): Promise<string[]> {
  const client = clientOf(s3);
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: s3.bucket }));
  client.destroy();
  return Contents.map(({ Key = '' }) => Key);
}

/** The name, metadata and content of every object of the bucket, each as one text; but for what goes meanwhile, as a lease does. */
export async function listObjects(s3: S3Server): Promise<string[]> {
  const client = clientOf(s3);
  const objects = await Promise.all(
    (await listNames(s3)).map(async (Key) => {
      try {
        const { Metadata, Body } = await client.send(new GetObjectCommand({ Bucket: s3.bucket, Key }));
        return [`${Key} ${JSON.stringify(Metadata)} ${await Body?.transformToString('latin1')}`];
      } catch (fault) {
        if (fault instanceof NoSuchKey) return [];
        throw fault;
      }
    }),
  );
  client.destroy();
  return objects.flat();
}

/** Puts an object of one byte under each name. */
export async function putObjects(s3: S3Server, names: readonly string[]): Promise<void> {
  const client = clientOf(s3);
  await Promise.all(
    names.map((Key) => client.send(new PutObjectCommand({ Bucket: s3.bucket, Key, Body: '.' }))),
  );
  client.destroy();
}

async function createBucket(s3: S3Server): Promise<void> {
  const client = clientOf(s3);
  await client.send(new CreateBucketCommand({ Bucket: s3.bucket }));
  client.destroy();
}

const clientOf = ({ endpoint, region, accessKeyId, secretAccessKey }: S3Server): S3Client =>
  new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
