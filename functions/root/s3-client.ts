import { S3Client } from '@aws-sdk/client-s3';
import type { Settings } from '../service/config/settings.ts';
import type { HttpClient } from '../service/http-client.ts';
import type { S3Operation } from './cost/usage.ts';

export type S3Settings = NonNullable<Settings['S3']>;
/** Told of each request to S3, and of its bytes. */
export type CountS3 = (operation: S3Operation, bytes: number) => void;

/** What S3 bills by: LIST as a write; nothing for removals. */
const operationOf = (command = ''): S3Operation =>
  command.startsWith('Delete') ? 'free' : /^(?:Put|Create|List)/.test(command) ? 'write' : 'read';

// One more try for what failed by chance; what hangs is not worth a third wait.
const MAX_ATTEMPTS = 2;

/** True for AWS itself, of which is known what it can do. */
export const isAws = ({ Endpoint }: S3Settings): boolean =>
  new URL(Endpoint).hostname.endsWith('.amazonaws.com');

/** The SDK's client, which waits no longer than `http` does, and tells of each attempt. */
export function makeS3Client(settings: S3Settings, { limits }: HttpClient, count: CountS3): S3Client {
  const { Endpoint, Region, AccessKeyId, SecretAccessKey } = settings;
  const client = new S3Client({
    endpoint: Endpoint,
    region: Region,
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: { connectionTimeout: limits.connectMs, socketTimeout: limits.idleMs },
    // Stores beside AWS rarely have a DNS name for each bucket.
    forcePathStyle: !isAws(settings),
    // The SDK's own CRC32 would come on top of our sha-256, and not every store takes it in a stream's trailer.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(AccessKeyId === undefined || SecretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } }),
  });
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        const { headers } = args.request as { headers: Record<string, string> };
        count(operationOf(commandName), Number(headers['content-length'] ?? 0));
        return next(args);
      },
    // Within what tries again: each attempt is billed.
    { step: 'finalizeRequest', priority: 'low', name: 'count' },
  );
  return client;
}
