import { type Chunk, type ChunkId, MiB } from '../blob/chunk.ts';
import type { BlobFacts } from '../blob/facts.ts';
import { sha256Hex } from '../blob/hash.ts';
import { accessPath, chunkPath, factsPath, keyPath } from '../blob/path.ts';
import type { AccessRecord, ChunkStore, Located } from '../blob/store.ts';
import { P2PError } from '../protocol/errors.ts';
import { headerValue } from '../protocol/headers.ts';
import { Locations } from './locations.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { DIGEST_HEADER, type S3Object, TooLong } from './s3-object.ts';
import type { WriteTurns } from './write-turns.ts';

// What is known of a blob, with the digests of a quarter of a million chunks.
const MAX_RECORD_BYTES = 16 * MiB;
/** For how long a chunk may be read by who was told where it is: time to read 64 one after the other over a slow link. */
export const LOCATED_MS = 15 * 60 * 1000;

/**
 * Chunks in an S3-compatible bucket, one object a chunk, laid out as `blob/path.ts` says. Every chunk is checked
 * against its digest when it is read.
 */
export class S3Store implements ChunkStore {
  readonly name = 's3';
  readonly #bucket: S3Bucket;
  readonly #turns: Pick<WriteTurns, 'take'>;
  readonly #locations: Locations;
  readonly #writing = new Set<Promise<unknown>>();
  /** Chunks that are to be put, by their paths. */
  readonly #held = new Map<string, Chunk>();

  /** The store closes the bucket. Without `turns` every chunk is put at once. */
  constructor(bucket: S3Bucket, turns: Pick<WriteTurns, 'take'> = AT_ONCE) {
    this.#bucket = bucket;
    this.#turns = turns;
    this.#locations = new Locations(
      (path) => bucket.locate(path, LOCATED_MS),
      () => performance.now(),
    );
  }

  peek(): undefined {
    return undefined;
  }

  async read(id: ChunkId): Promise<Chunk | undefined> {
    const path = chunkPath(id);
    const object = await this.#bucket.get(path, id.chunkBytes).catch(failedUnlessLong);
    if (object === undefined) return undefined;
    const chunk = object === 'too long' ? undefined : await checked(object);
    // What is not what it should be is removed; that makes it a miss.
    if (chunk === undefined || chunk.bytes.length === 0) return this.#drop(path);
    return chunk;
  }

  async extent(): Promise<undefined> {
    return undefined;
  }

  locate(id: ChunkId): Promise<Located | undefined> {
    return this.#locations.find(chunkPath(id)).catch(failed);
  }

  async has(id: ChunkId): Promise<boolean> {
    return (await this.#bucket.head(chunkPath(id)).catch(failed)) !== undefined;
  }

  async write(id: ChunkId, chunk: Chunk): Promise<void> {
    const path = chunkPath(id);
    this.#held.set(path, chunk);
    try {
      await this.#turns.take(async () => {
        // Removed, or put anew, before its turn came.
        if (this.#held.get(path) !== chunk)
          throw new P2PError('STORE_WRITE_FAILED', `${path} is not wanted any more`);
        await this.#put(path, chunk, 'application/octet-stream');
      });
    } finally {
      if (this.#held.get(path) === chunk) this.#held.delete(path);
    }
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
    this.giveUp(key);
    this.#locations.forgetBelow(`${keyPath(key)}/`);
    await this.#bucket.removeAll(keyPath(key)).catch((cause: unknown) => {
      throw new P2PError('STORE_WRITE_FAILED', `cannot remove ${key} from S3`, { cause });
    });
  }

  /** Does not put what waits for its turn under a key. */
  giveUp(key: string): void {
    for (const path of this.#held.keys()) if (path.startsWith(`${keyPath(key)}/`)) this.#held.delete(path);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#writing);
    this.#bucket.close();
  }

  async #getRecord<T>(path: string): Promise<T | undefined> {
    const object = await this.#bucket.get(path, MAX_RECORD_BYTES).catch(failed);
    const record = object && (await checked(object));
    return record && (JSON.parse(Buffer.from(record.bytes).toString()) as T);
  }

  async #putRecord(path: string, record: BlobFacts | AccessRecord): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(record));
    await this.#put(path, { bytes }, 'application/json');
  }

  /** Puts it, and counts as a write under way from the call on, its digest's time included. */
  async #put(path: string, chunk: Chunk, contentType: string): Promise<void> {
    const putting = this.#digestAndPut(path, chunk, contentType);
    this.#writing.add(putting);
    try {
      await putting;
    } catch (cause) {
      throw new P2PError('STORE_WRITE_FAILED', `cannot put ${path} into S3`, { cause });
    } finally {
      this.#writing.delete(putting);
      this.#locations.forget(path);
    }
  }

  async #digestAndPut(path: string, chunk: Chunk, contentType: string): Promise<void> {
    const { bytes, sha256 = await sha256Hex(bytes) } = chunk;
    await this.#bucket.put(path, { bytes, sha256, contentType });
  }

  async #drop(path: string): Promise<undefined> {
    this.#locations.forget(path);
    await this.#bucket.remove(path).catch(() => undefined);
  }
}

const AT_ONCE: Pick<WriteTurns, 'take'> = { take: (write) => write() };

/** The bytes with their digest, when they are those that were put. */
async function checked({ bytes, headers }: S3Object): Promise<Chunk | undefined> {
  const sha256 = await sha256Hex(bytes);
  return sha256 === headerValue(headers, DIGEST_HEADER) ? { bytes, sha256 } : undefined;
}

function failed(cause: unknown): never {
  throw new P2PError('STORE_READ_FAILED', 'cannot read from S3', { cause });
}

const failedUnlessLong = (cause: unknown): 'too long' =>
  cause instanceof TooLong ? 'too long' : failed(cause);
