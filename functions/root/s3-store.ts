import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Chunk, ChunkId } from '../blob/chunk.ts';
import type { BlobFacts } from '../blob/facts.ts';
import { sha256Hex } from '../blob/hash.ts';
import { accessPath, chunkPath, factsPath, keyPath } from '../blob/path.ts';
import type { AccessRecord, ChunkStore } from '../blob/store.ts';
import { P2PError } from '../protocol/errors.ts';
import { headerValue } from '../protocol/headers.ts';
import type { Settings } from '../service/config/settings.ts';
import type { HttpClient } from '../service/http-client.ts';
import { Patience } from './patience.ts';

// The digest travels as metadata of the object, so that one request brings the bytes and what they should be.
const DIGEST_METADATA = 'sha256';
const DIGEST_HEADER = `x-amz-meta-${DIGEST_METADATA}`;
// Only this process uses the URLs it signs for itself, at once.
const OWN_URL_SECONDS = 60;
// One more try for what failed by chance; what hangs is not worth a third wait.
const MAX_ATTEMPTS = 2;
const REST_MS = 5_000;
// A transfer that is slower than this, 64 KB/s, is as good as none.
const MIN_BYTES_PER_MS = 64;
// DeleteObjects takes at most this many keys (S3 API reference).
const DELETE_BATCH = 1000;

/**
 * Chunks in an S3-compatible bucket, one object a chunk, laid out as `blob/path.ts` says under a prefix. The SDK
 * signs and does the small calls; a chunk's bytes come by a presigned URL through undici, which costs two
 * thirds of the SDK's own way. Every chunk is checked against its digest when it is read.
 */
export class S3Store implements ChunkStore {
  readonly name = 's3';
  readonly #client: S3Client;
  readonly #http: HttpClient;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #writing = new Set<Promise<unknown>>();
  readonly #patience: Patience;

  private constructor(settings: NonNullable<Settings['S3']>, http: HttpClient) {
    const { Endpoint, Region, AccessKeyId, SecretAccessKey, Bucket, Prefix } = settings;
    const { connectMs, firstByteMs, idleMs } = http.limits;
    this.#http = http;
    this.#patience = new Patience({
      slowMs: connectMs,
      boundMs: connectMs + firstByteMs,
      restMs: REST_MS,
      now: () => performance.now(),
    });
    this.#bucket = Bucket;
    this.#prefix = Prefix === '' || Prefix.endsWith('/') ? Prefix : `${Prefix}/`;
    this.#client = new S3Client({
      endpoint: Endpoint,
      region: Region,
      maxAttempts: MAX_ATTEMPTS,
      requestHandler: { connectionTimeout: connectMs, socketTimeout: idleMs },
      // Stores beside AWS rarely have a DNS name for each bucket.
      forcePathStyle: !new URL(Endpoint).hostname.endsWith('.amazonaws.com'),
      // The SDK's own CRC32 would come on top of our sha-256, and not every store takes it in a stream's trailer.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(AccessKeyId === undefined || SecretAccessKey === undefined
        ? {}
        : { credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } }),
    });
  }

  /**
   * A store over a bucket, made when it is missing.
   *
   * @throws P2PError CONFIG_INVALID when the bucket can be neither found nor made, with what S3 said.
   */
  static async open(settings: NonNullable<Settings['S3']>, http: HttpClient): Promise<S3Store> {
    const store = new S3Store(settings, http);
    const { Bucket } = settings;
    try {
      await store.#patience.call(async (abortSignal) => {
        try {
          await store.#client.send(new HeadBucketCommand({ Bucket }), { abortSignal });
        } catch (cause) {
          if (statusOf(cause) !== 404) throw cause;
          await store.#client.send(new CreateBucketCommand({ Bucket }), { abortSignal });
        }
      });
    } catch (cause) {
      throw unusable(settings, cause);
    }
    return store;
  }

  peek(): undefined {
    return undefined;
  }

  read(id: ChunkId): Promise<Chunk | undefined> {
    const transferMs = id.chunkBytes / MIN_BYTES_PER_MS;
    return this.#patience.call((signal) => this.#get(id, signal), transferMs).catch(readFailed);
  }

  async extent(): Promise<undefined> {
    return undefined;
  }

  async write(id: ChunkId, chunk: Chunk): Promise<void> {
    await this.#put(chunkPath(id), chunk.bytes, chunk.sha256, 'application/octet-stream');
  }

  readFacts(addressKey: string): Promise<BlobFacts | undefined> {
    return this.#getRecord(factsPath(addressKey));
  }

  async writeFacts(addressKey: string, facts: BlobFacts): Promise<void> {
    await this.#putRecord(factsPath(addressKey), facts);
  }

  readAccess(key: string): Promise<AccessRecord | undefined> {
    return this.#getRecord(accessPath(key));
  }

  async writeAccess(key: string, record: AccessRecord): Promise<void> {
    await this.#putRecord(accessPath(key), record);
  }

  async remove(key: string): Promise<void> {
    const Prefix = `${this.#prefix}${keyPath(key)}/`;
    try {
      for (let token: string | undefined, more = true; more; more = token !== undefined) {
        const list = new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix,
          MaxKeys: DELETE_BATCH,
          ContinuationToken: token,
        });
        const page = await this.#patience.call((abortSignal) => this.#client.send(list, { abortSignal }));
        const Objects = (page.Contents ?? []).map(({ Key }) => ({ Key }));
        if (Objects.length > 0) {
          const command = new DeleteObjectsCommand({
            Bucket: this.#bucket,
            Delete: { Objects, Quiet: true },
          });
          await this.#patience.call((abortSignal) => this.#client.send(command, { abortSignal }));
        }
        token = page.NextContinuationToken;
      }
    } catch (cause) {
      throw new P2PError('STORE_WRITE_FAILED', `cannot remove ${key} from S3`, { cause });
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#writing);
    this.#patience.end();
    this.#client.destroy();
  }

  #getRecord<T>(path: string): Promise<T | undefined> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + path });
    return this.#patience
      .call(async (abortSignal) => {
        const found = await this.#client.send(command, { abortSignal }).catch(noneFound);
        const json = Buffer.from((await found?.Body?.transformToByteArray()) ?? []);
        return found !== undefined && (await sha256Hex(json)) === found.Metadata?.[DIGEST_METADATA]
          ? (JSON.parse(json.toString()) as T)
          : undefined;
      })
      .catch(readFailed);
  }

  async #putRecord(path: string, record: BlobFacts | AccessRecord): Promise<void> {
    const json = Buffer.from(JSON.stringify(record));
    await this.#put(path, json, await sha256Hex(json), 'application/json');
  }

  async #put(path: string, bytes: Uint8Array, sha256: string, ContentType: string): Promise<void> {
    const command = new PutObjectCommand({
      Bucket: this.#bucket,
      Key: this.#prefix + path,
      Body: bytes,
      ContentType,
      ContentLength: bytes.length,
      Metadata: { [DIGEST_METADATA]: sha256 },
    });
    // The signer takes the payload's hash from here instead of hashing it again, and the store refuses bytes
    // that do not have it: what is damaged on the way is not kept (SigV4, x-amz-content-sha256).
    command.middlewareStack.add(
      (next) => (args) => {
        (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = sha256;
        return next(args);
      },
      { step: 'build', name: 'payloadHash' },
    );
    const putting = this.#patience.call(
      (abortSignal) => this.#client.send(command, { abortSignal }),
      bytes.length / MIN_BYTES_PER_MS,
    );
    this.#writing.add(putting);
    try {
      await putting;
    } catch (cause) {
      throw new P2PError('STORE_WRITE_FAILED', `cannot put ${path} into S3`, { cause });
    } finally {
      this.#writing.delete(putting);
    }
  }

  async #get(id: ChunkId, signal: AbortSignal): Promise<Chunk | undefined> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + chunkPath(id) });
    const url = await getSignedUrl(this.#client, command, { expiresIn: OWN_URL_SECONDS });
    const reply = await this.#http.request({ url, method: 'GET', headers: {} }, signal);
    if (reply.status === 404) {
      reply.body.discard();
      return undefined;
    }
    const length = Number(headerValue(reply.headers, 'content-length'));
    if (reply.status !== 200 || !(length > 0 && length <= id.chunkBytes)) {
      reply.body.discard();
      if (reply.status !== 200) throw new Error(`S3 answered ${reply.status}`);
      return this.#drop(id, signal);
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    await reply.body.read((piece) => {
      bytes.set(piece, filled);
      filled += piece.length;
    });
    const sha256 = await sha256Hex(bytes);
    return sha256 === headerValue(reply.headers, DIGEST_HEADER) && filled === length
      ? { bytes, sha256 }
      : this.#drop(id, signal);
  }

  /** Removes a chunk that is not what it should be; that makes it a miss. */
  async #drop(id: ChunkId, abortSignal: AbortSignal): Promise<undefined> {
    const command = new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + chunkPath(id) });
    await this.#client.send(command, { abortSignal }).catch(() => undefined);
  }
}

function readFailed(cause: unknown): never {
  throw new P2PError('STORE_READ_FAILED', 'cannot read from S3', { cause });
}

function noneFound(cause: unknown): undefined {
  if (statusOf(cause) !== 404) throw cause;
}

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;

function unusable({ Endpoint, Bucket }: NonNullable<Settings['S3']>, cause: unknown): P2PError {
  const said = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return new P2PError(
    'CONFIG_INVALID',
    `S3: bucket "${Bucket}" at ${Endpoint} cannot be used (${said}); check Endpoint, Bucket and the keys`,
    {
      cause,
    },
  );
}
