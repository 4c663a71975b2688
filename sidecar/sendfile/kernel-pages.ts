import type { PageCache } from '../../functions/blob/page-cache.ts';
import { loadCalls } from './native.ts';

/** preadv2(2); the vectors are pairs of address and length. */
type Preadv2 = (fd: number, vectors: BigUint64Array, count: number, offset: number, flags: number) => number;

// <linux/fs.h>: give what is in memory, and EAGAIN for what is not.
const RWF_NOWAIT = 0x8;

/** Bytes of files out of the kernel's page cache, by preadv2(2): a tenth of what a read in the thread pool costs. */
export class KernelPages implements PageCache {
  readonly #preadv2: Preadv2;
  readonly #addressOf: (bytes: Uint8Array) => bigint;
  readonly #vector = new BigUint64Array(2);

  private constructor(preadv2: Preadv2, addressOf: (bytes: Uint8Array) => bigint) {
    this.#preadv2 = preadv2;
    this.#addressOf = addressOf;
  }

  /** `undefined` where the system or what is installed cannot do it. A file system that cannot is asked in vain. */
  static open(): KernelPages | undefined {
    return loadCalls((libc, koffi) => {
      const preadv2 = libc.func(
        'int64_t preadv2(int fd, void *vectors, int count, int64_t offset, int flags)',
      );
      return new KernelPages(preadv2, (bytes) => koffi.address(bytes));
    });
  }

  read(fd: number, offset: number, into: Uint8Array): boolean {
    this.#vector[0] = this.#addressOf(into);
    this.#vector[1] = BigInt(into.length);
    return this.#preadv2(fd, this.#vector, 1, offset, RWF_NOWAIT) === into.length;
  }
}
