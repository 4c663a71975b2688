import { MiB } from '../blob/chunk.ts';
import { P2PError } from '../protocol/errors.ts';
import { parseRecord, type Records } from './records.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { TooLong } from './s3-object.ts';

const MAX_RECORD_BYTES = 16 * MiB;

/** Records as objects of a bucket. */
export class S3Records implements Records {
  readonly #bucket: S3Bucket;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  async get<T>(path: string): Promise<T | undefined> {
    const object = await this.#bucket.get(path, MAX_RECORD_BYTES).catch((cause: unknown) => {
      // That is how it will be the next time too: whoever wrote it begins anew.
      if (cause instanceof TooLong) return undefined;
      throw new P2PError('STORE_READ_FAILED', `cannot read ${path} from S3`, { cause });
    });
    return object && parseRecord<T>(Buffer.from(object.bytes).toString());
  }

  async put(path: string, record: object): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(record));
    await this.#bucket.put(path, { bytes, contentType: 'application/json' }).catch((cause: unknown) => {
      throw new P2PError('STORE_WRITE_FAILED', `cannot put ${path} into S3`, { cause });
    });
  }
}
