import { randomUUID } from 'node:crypto';
import { KiB } from '../blob/chunk.ts';
import { headerValue } from '../protocol/headers.ts';
import type { LeaseObject, LeaseObjects } from './lease.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { isUnsupported } from './s3-failure.ts';
import { ageOf } from './s3-object.ts';

const MAX_LEASE_BYTES = KiB;

/** Leases as objects of the bucket, one for each thing that is being fetched, by its `leasePath`. */
export class S3Leases implements LeaseObjects {
  readonly #bucket: S3Bucket;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  create(name: string, holder: string): Promise<string | undefined> {
    return this.#put(name, holder, 'none');
  }

  replace(name: string, holder: string, etag: string): Promise<string | undefined> {
    return this.#put(name, holder, { etag });
  }

  async read(name: string): Promise<LeaseObject | undefined> {
    const object = await this.#bucket.get(name, MAX_LEASE_BYTES);
    if (object === undefined) return undefined;
    return {
      // What a holder puts again has to have another ETag, so its name is followed by another number each time.
      holder: Buffer.from(object.bytes).toString().split(' ', 1)[0] ?? '',
      etag: headerValue(object.headers, 'etag') ?? '',
      ageMs: ageOf(object),
    };
  }

  remove(name: string): Promise<void> {
    return this.#bucket.remove(name);
  }

  /** True where conditions of a write are kept, by trying; AWS is known to. */
  async isConditional(): Promise<boolean> {
    if (this.#bucket.isAws) return true;
    const name = `lease/probe-${randomUUID()}`;
    try {
      const first = await this.create(name, 'first');
      const isKept = first !== undefined && (await this.create(name, 'second')) === undefined;
      return isKept && (await this.replace(name, 'third', '"another"')) === undefined;
    } catch (cause) {
      if (isUnsupported(cause)) return false;
      throw cause;
    } finally {
      await this.remove(name).catch(() => undefined);
    }
  }

  #put(
    name: string,
    holder: string,
    condition: 'none' | { readonly etag: string },
  ): Promise<string | undefined> {
    const bytes = Buffer.from(`${holder} ${randomUUID()}`);
    return this.#bucket.put(name, { bytes, contentType: 'text/plain', condition });
  }
}
