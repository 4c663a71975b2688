import { type ErrorCode, P2PError } from '../protocol/errors.ts';
import type { DirectoryEntries, StoredEntry } from './directory.ts';
import type { S3Bucket } from './s3-bucket.ts';

/** Entries of the directory as empty objects of the bucket. */
export class S3Entries implements DirectoryEntries {
  readonly #bucket: S3Bucket;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  async put(name: string): Promise<void> {
    const empty = { bytes: new Uint8Array(0), contentType: 'application/octet-stream' };
    await wrapped('STORE_WRITE_FAILED', `cannot put ${name} into S3`, this.#bucket.put(name, empty));
  }

  remove(name: string): Promise<void> {
    return wrapped('STORE_WRITE_FAILED', `cannot remove ${name} from S3`, this.#bucket.remove(name));
  }

  list(folder: string): Promise<readonly StoredEntry[]> {
    return wrapped('STORE_READ_FAILED', `cannot list ${folder} of S3`, this.#pagesOf(folder));
  }

  async #pagesOf(folder: string): Promise<StoredEntry[]> {
    const found: StoredEntry[] = [];
    for await (const page of this.#bucket.pages(folder)) found.push(...page);
    return found;
  }
}

async function wrapped<T>(code: ErrorCode, message: string, work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    throw new P2PError(code, message, { cause });
  });
}
