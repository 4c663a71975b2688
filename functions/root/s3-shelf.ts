import { randomUUID } from 'node:crypto';
import { KiB } from '../blob/chunk.ts';
import { headerValue } from '../protocol/headers.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { ageOf, type S3Upload } from './s3-object.ts';
import { LOCATED_MS } from './s3-store.ts';
import type { Kept, Shelf } from './shelf.ts';

/** What a bucket keeps. */
export class S3Shelf implements Shelf {
  readonly lentMs = LOCATED_MS;
  readonly #bucket: S3Bucket;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  async *pages(folder: string): AsyncGenerator<readonly Kept[], void, undefined> {
    for await (const page of this.#bucket.pages(folder))
      yield page.map((object) => ({ ...object, ageMs: Math.max(0, object.ageMs) }));
  }

  async ageOf(name: string): Promise<number | undefined> {
    const object = await this.#bucket.get(name, KiB);
    return object && Math.max(0, ageOf(object));
  }

  async mark(name: string): Promise<void> {
    await this.#bucket.put(name, { bytes: new Uint8Array(0), contentType: 'application/octet-stream' });
  }

  async claim(name: string, staleMs: number): Promise<boolean> {
    // Another content each time, so that another ETag.
    const bytes = Buffer.from(randomUUID());
    const put = (condition: NonNullable<S3Upload['condition']>) =>
      this.#bucket.put(name, { bytes, contentType: 'text/plain', condition });
    if ((await put('none')) !== undefined) return true;
    const found = await this.#bucket.get(name, KiB);
    if (found === undefined || ageOf(found) < staleMs) return false;
    return (await put({ etag: headerValue(found.headers, 'etag') ?? '' })) !== undefined;
  }

  remove(names: readonly string[]): Promise<void> {
    return this.#bucket.removeMany(names);
  }
}
