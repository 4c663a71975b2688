import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { chunkPath, factsPath } from '../../functions/blob/path.ts';
import { S3Bucket } from '../../functions/root/s3-bucket.ts';
import { S3Store } from '../../functions/root/s3-store.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import { HttpClient } from '../../functions/service/http-client.ts';
import type { S3Server } from './s3-server.ts';
import type { OpenedStore } from './store-contract.ts';
import { PATIENCE_MS } from './until.ts';

export type S3Settings = NonNullable<Settings['S3']>;

let prefixes = 0;

/** How a store on a server is configured: with a prefix of its own. */
export function settingsOn(
  { endpoint, region, accessKeyId, secretAccessKey, bucket }: S3Server,
  part: Partial<S3Settings> = {},
): S3Settings {
  prefixes += 1;
  return {
    Endpoint: endpoint,
    Region: region,
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Bucket: bucket,
    Prefix: `test-${prefixes}`,
    ...part,
  };
}

export const httpClient = (): HttpClient =>
  new HttpClient({ connectMs: PATIENCE_MS, firstByteMs: 10_000, idleMs: 10_000, connections: 16 });

export const openStore = async (settings: S3Settings, http: HttpClient): Promise<S3Store> =>
  new S3Store(await S3Bucket.open(settings, http));

/** A store in a bucket, and the bucket itself. */
export interface OpenedS3 extends OpenedStore {
  readonly client: S3Client;
  /** Bucket and key of what is kept at a path. */
  at(path: string): { Bucket: string; Key: string };
}

/** Opens a store by its settings. */
export async function openS3(settings: S3Settings): Promise<OpenedS3> {
  const http = httpClient();
  const store = await openStore(settings, http);
  const client = new S3Client({
    endpoint: settings.Endpoint,
    region: settings.Region,
    forcePathStyle: true,
    credentials: {
      accessKeyId: settings.AccessKeyId ?? '',
      secretAccessKey: settings.SecretAccessKey ?? '',
    },
  });
  const at = (path: string) => ({
    Bucket: settings.Bucket,
    Key: `${settings.Prefix}${settings.Prefix === '' ? '' : '/'}${path}`,
  });
  const spoil = async (path: string) => {
    const { Body, Metadata } = await client.send(new GetObjectCommand(at(path)));
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
    bytes[10] = (bytes[10] ?? 0) ^ 1;
    await client.send(new PutObjectCommand({ ...at(path), Body: bytes, Metadata }));
  };
  return {
    store,
    client,
    at,
    reopen: () => openStore(settings, http),
    spoilChunk: (id) => spoil(chunkPath(id)),
    spoilFacts: (key) => spoil(factsPath(key)),
    async [Symbol.asyncDispose]() {
      await store.close();
      await http.close();
      client.destroy();
    },
  };
}
