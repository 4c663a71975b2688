import type { DirectoryEntries, StoredEntry } from './directory.ts';
import type { S3Bucket } from './s3-bucket.ts';

/** Entries of the directory as empty objects of the bucket. */
export class S3Entries implements DirectoryEntries {
  readonly #bucket: S3Bucket;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  async put(name: string): Promise<void> {
    await this.#bucket.put(name, { bytes: new Uint8Array(0), contentType: 'application/octet-stream' });
  }

  remove(name: string): Promise<void> {
    return this.#bucket.remove(name);
  }

  async list(folder: string): Promise<readonly StoredEntry[]> {
    const found: StoredEntry[] = [];
    for await (const page of this.#bucket.pages(folder)) found.push(...page);
    return found;
  }
}
