import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Located } from '../blob/store.ts';
import { headerValue } from '../protocol/headers.ts';
import { parseContentRange } from '../protocol/range.ts';
import type { HttpClient } from '../service/http-client.ts';
import { Patience } from './patience.ts';
import { type CountS3, isAws, makeS3Client, type S3Settings } from './s3-client.ts';
import { isConditionFailure, statusOf, unusable } from './s3-failure.ts';
import {
  DIGEST_HEADER,
  DIGEST_METADATA,
  type ListedObject,
  type S3Object,
  type S3Upload,
  TooLong,
} from './s3-object.ts';
import { objectsUrl, S3Signer } from './s3-signer.ts';

// Only this process uses the URLs it signs for itself, at once.
const OWN_URL_SECONDS = 60;
const REST_MS = 5_000;
// Lambda does not tell when its role's session ends, which is after 12 hours or less: most of what is planned is read in
// this time, and the rest is asked for again.
const UNTOLD_SESSION_MS = 5 * 60_000;
// A transfer that is slower than this, 64 KB/s, is as good as none.
const MIN_BYTES_PER_MS = 64;
// A listing has at most this many keys, and DeleteObjects takes no more (S3 API reference).
const PAGE_KEYS = 1000;

/**
 * The part of an S3-compatible bucket below a prefix. The SDK signs and does the small calls; what is read comes by a
 * presigned URL through undici, which costs two thirds of the SDK's own way. No call waits for ever, and after one
 * that failed slowly all fail at once for a while. They fail with whatever it was: callers wrap it.
 */
export class S3Bucket {
  readonly #client: S3Client;
  readonly #signer: S3Signer;
  readonly #http: HttpClient;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #patience: Patience;
  #count: CountS3 = () => {};
  /** True for AWS itself, of which is known what it can do. */
  readonly isAws: boolean;

  private constructor(settings: S3Settings, http: HttpClient) {
    const { Endpoint, Bucket, Prefix } = settings;
    const { connectMs, firstByteMs } = http.limits;
    this.#http = http;
    this.#patience = new Patience({
      slowMs: connectMs,
      boundMs: connectMs + firstByteMs,
      restMs: REST_MS,
      now: () => performance.now(),
    });
    this.#bucket = Bucket;
    this.#prefix = Prefix === '' || Prefix.endsWith('/') ? Prefix : `${Prefix}/`;
    this.isAws = isAws(settings);
    this.#client = makeS3Client(settings, http, (operation, bytes) => this.#count(operation, bytes));
    this.#signer = new S3Signer(this.#client, objectsUrl(Endpoint, Bucket, this.isAws));
  }

  /** Tells of each request from now on, and of its bytes. */
  countWith(count: CountS3): void {
    this.#count = count;
  }

  /** The bucket of that name, which is not asked for before it is needed. */
  static named(settings: S3Settings, http: HttpClient): S3Bucket {
    return new S3Bucket(settings, http);
  }

  /**
   * The bucket, made when it is missing.
   *
   * @throws P2PError CONFIG_INVALID when it can be neither found nor made, with what S3 said.
   */
  static async open(settings: S3Settings, http: HttpClient): Promise<S3Bucket> {
    const opened = S3Bucket.named(settings, http);
    const { Bucket } = settings;
    try {
      await opened.#patience.call(async (abortSignal) => {
        try {
          await opened.#client.send(new HeadBucketCommand({ Bucket }), { abortSignal });
        } catch (cause) {
          if (statusOf(cause) !== 404) throw cause;
          await opened.#client.send(new CreateBucketCommand({ Bucket }), { abortSignal });
        }
      });
    } catch (cause) {
      throw unusable(settings, cause);
    }
    return opened;
  }

  /**
   * A whole object, which the caller owns; `undefined` when there is none.
   *
   * @throws TooLong when it is longer than `maxBytes`.
   */
  get(path: string, maxBytes: number): Promise<S3Object | undefined> {
    return this.#patience.call((signal) => this.#get(path, maxBytes, signal), maxBytes / MIN_BYTES_PER_MS);
  }

  /** Bytes and digest of an object; `undefined` when there is none, or none that has a digest. */
  async head(path: string): Promise<{ readonly length: number; readonly sha256: string } | undefined> {
    const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + path });
    return this.#patience.call(async (abortSignal) => {
      const found = await this.#client.send(command, { abortSignal }).catch((cause: unknown) => {
        if (statusOf(cause) !== 404) throw cause;
      });
      const sha256 = found?.Metadata?.[DIGEST_METADATA];
      return found?.ContentLength === undefined || sha256 === undefined
        ? undefined
        : { length: found.ContentLength, sha256 };
    });
  }

  /**
   * A URL by which anyone can read an object, and for how long: not beyond the session that signs it; `undefined` when
   * there is no object, or none that has a digest. It was tried: one signature does for both.
   */
  async locate(path: string, lifeMs: number): Promise<Located | undefined> {
    const { url, untilMs } = await this.#presign(path, lifeMs);
    const request = { url, method: 'GET', headers: { range: 'bytes=0-0' } } as const;
    const { status, headers } = await this.#patience.call(async (signal) => {
      const reply = await this.#http.request(request, signal);
      this.#count('read', 0);
      reply.body.discard();
      return reply;
    });
    if (status === 404) return undefined;
    const length = parseContentRange(headerValue(headers, 'content-range'))?.total;
    if (status !== 206 || length === undefined) throw new Error(`S3 answered ${status}`);
    const sha256 = headerValue(headers, DIGEST_HEADER);
    return sha256 === undefined ? undefined : { url, untilMs, length, sha256 };
  }

  async #presign(path: string, lifeMs: number): Promise<{ readonly url: string; readonly untilMs: number }> {
    const { credentials, systemClockOffset } = this.#client.config;
    const { expiration, sessionToken } = await credentials();
    const nowMs = Date.now();
    const untold = sessionToken === undefined ? Number.POSITIVE_INFINITY : UNTOLD_SESSION_MS;
    const sessionMs = expiration === undefined ? untold : expiration.getTime() - (nowMs + systemClockOffset);
    const usableMs = Math.min(lifeMs, sessionMs);
    const seconds = Math.max(1, Math.floor(usableMs / 1000));
    const url = await this.#signer.sign(this.#prefix + path, seconds);
    return { url, untilMs: nowMs + usableMs };
  }

  /** Puts an object and gives its ETag; `undefined` when its condition does not hold. */
  async put(path: string, { bytes, contentType, sha256, condition }: S3Upload): Promise<string | undefined> {
    const command = new PutObjectCommand({
      Bucket: this.#bucket,
      Key: this.#prefix + path,
      Body: bytes,
      ContentType: contentType,
      ContentLength: bytes.length,
      ...(sha256 === undefined ? {} : { Metadata: { [DIGEST_METADATA]: sha256 } }),
      ...(condition === undefined
        ? {}
        : condition === 'none'
          ? { IfNoneMatch: '*' }
          : { IfMatch: condition.etag }),
    });
    if (sha256 !== undefined) {
      // The signer takes the payload's hash from here instead of hashing it again, and the store refuses bytes
      // that do not have it: what is damaged on the way is not kept (SigV4, x-amz-content-sha256).
      command.middlewareStack.add(
        (next) => (args) => {
          (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = sha256;
          return next(args);
        },
        { step: 'build', name: 'payloadHash' },
      );
    }
    return this.#patience.call(async (abortSignal) => {
      try {
        return (await this.#client.send(command, { abortSignal })).ETag ?? '';
      } catch (cause) {
        if (condition !== undefined && isConditionFailure(cause, condition)) return undefined;
        throw cause;
      }
    }, bytes.length / MIN_BYTES_PER_MS);
  }

  /** All objects below a folder, which ends in a slash, in order of their names, a thousand at a time. */
  async *pages(folder: string): AsyncGenerator<readonly ListedObject[], void, undefined> {
    for (let token: string | undefined, more = true; more; more = token !== undefined) {
      const list = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: this.#prefix + folder,
        MaxKeys: PAGE_KEYS,
        ContinuationToken: token,
      });
      let nowMs = Number.NaN;
      list.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args);
          nowMs = Date.parse((result.response as { headers: Record<string, string> }).headers.date ?? '');
          return result;
        },
        { step: 'deserialize', name: 'storeClock' },
      );
      const page = await this.#patience.call((abortSignal) => this.#client.send(list, { abortSignal }));
      if (Number.isNaN(nowMs)) throw new Error('S3 does not say what time it is');
      yield (page.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
        name: Key.slice(this.#prefix.length),
        bytes: Size,
        ageMs: nowMs - (LastModified?.getTime() ?? nowMs),
      }));
      token = page.NextContinuationToken;
    }
  }

  /** Removes one object, if there is one. */
  async remove(path: string): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + path });
    await this.#patience.call((abortSignal) => this.#client.send(command, { abortSignal }));
  }

  /** Removes up to a thousand objects, as far as they are there. */
  async removeMany(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    const Objects = paths.map((path) => ({ Key: this.#prefix + path }));
    const command = new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } });
    const { Errors: [first] = [] } = await this.#patience.call((abortSignal) =>
      this.#client.send(command, { abortSignal }),
    );
    if (first !== undefined) throw new Error(`cannot remove ${first.Key}: ${first.Code} ${first.Message}`);
  }

  /** Removes every object below a folder. */
  async removeAll(folder: string): Promise<void> {
    for await (const page of this.pages(`${folder}/`)) await this.removeMany(page.map(({ name }) => name));
  }

  /** Ends the calls under way. */
  close(): void {
    this.#patience.end();
    this.#client.destroy();
  }

  async #get(path: string, maxBytes: number, signal: AbortSignal): Promise<S3Object | undefined> {
    const url = await this.#signer.sign(this.#prefix + path, OWN_URL_SECONDS);
    const { status, headers, body } = await this.#http.request({ url, method: 'GET', headers: {} }, signal);
    const length = Number(headerValue(headers, 'content-length'));
    this.#count('read', status === 200 ? length : 0);
    if (status !== 200) {
      body.discard();
      if (status === 404) return undefined;
      throw new Error(`S3 answered ${status}`);
    }
    if (!(length <= maxBytes)) {
      body.discard();
      throw new TooLong(`${length} bytes at ${path}`);
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    await body.read((piece) => {
      bytes.set(piece, filled);
      filled += piece.length;
    });
    return { bytes, headers };
  }
}
