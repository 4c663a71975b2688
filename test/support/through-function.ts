import * as assert from 'uvu/assert';
import { blobOf, sha256 } from './blob-of.ts';
import { download } from './client.ts';
import type { NodeProcess } from './node-process.ts';
import type { Origin } from './origin.ts';
import { startAgent, through } from './pair.ts';
import type { S3Server } from './s3-server.ts';

const MiB = 2 ** 20;
const CHUNKS = 4;

/** How the function `read` is told of an origin, a folder for its cache, and more. */
export const functionEnv = (
  origin: Origin,
  folder: string,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> => ({
  DADIP2P_Origins: `[${origin.url}]`,
  DADIP2P_P2PConfig__CacheConfig__FileCachePath: folder,
  ...more,
});

/** How a function is told of its bucket. */
export const s3Env = (s3: S3Server): Record<string, string> => ({
  DADIP2P_S3__Endpoint: s3.endpoint,
  DADIP2P_S3__Bucket: s3.bucket,
  DADIP2P_S3__Region: s3.region,
  DADIP2P_S3__AccessKeyId: s3.accessKeyId,
  DADIP2P_S3__SecretAccessKey: s3.secretAccessKey,
});

/** An agent whose only root is a function. */
export const startAgentOf = (root: { readonly url: string }, origin: Origin): Promise<NodeProcess> =>
  startAgent({ origins: [origin.url], chunkSize: '4MiB', agent: { OriginFallback: false } }, [root.url]);

/** An agent pulls a blob of several chunks through a function; a second agent costs the origin nothing. */
export async function pullTwice(origin: Origin, root: { readonly url: string }): Promise<void> {
  const bytes = blobOf((CHUNKS - 1) * 4 * MiB + 12_345, `pulled ${root.url}`);
  for (const path of [`/v2/fn/blobs/sha256:${sha256(bytes)}`, `/plain/${sha256(bytes)}`]) {
    const url = origin.put(path, bytes, { headers: { 'cache-control': 'max-age=600' } });
    origin.forget();
    await using first = await startAgentOf(root, origin);
    const cold = await download(through(first, url));
    assert.is(cold.status, 200, path);
    assert.is(cold.complete, true, path);
    assert.is(cold.digest, sha256(bytes), path);
    // Each instance of the function that is asked at once may have to learn what the blob is.
    assert.ok(
      origin.bytesSent >= bytes.length && origin.bytesSent <= 2 * bytes.length,
      `${origin.bytesSent}`,
    );
    origin.forget();
    await using second = await startAgentOf(root, origin);
    const warm = await download(through(second, url));
    assert.is(warm.digest, sha256(bytes), path);
    assert.is(origin.bytesSent, 0, `what the function has kept of ${path} it serves without the origin`);
  }
}
