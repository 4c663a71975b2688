import { KiB, MiB } from './chunk.ts';

/** The most that is read at once: reads of this size reach the disk's and the socket's full speed. */
export const POOLED_BYTES = 1 * MiB;

// A small range is not to take the memory of a large read with it while its client is slow.
const SIZES = [64 * KiB, 256 * KiB, POOLED_BYTES];
// 64 transfers with two buffers each; beyond it they are left to the garbage collector.
const MOST_KEPT = 128;

/**
 * Buffers to read files into, used again: memory that is new to the process costs more than the read. Only a
 * buffer that nobody looks at any more may be given back; one that may still be looked at is simply dropped.
 */
export class BufferPool {
  readonly #free = SIZES.map((size) => ({ size, buffers: [] as Buffer[] }));

  /** A buffer of at least `bytes`, which are POOLED_BYTES at most, with arbitrary content. */
  take(bytes: number): Buffer {
    const fitting = this.#free.find(({ size }) => bytes <= size);
    return fitting?.buffers.pop() ?? Buffer.allocUnsafeSlow(fitting?.size ?? bytes);
  }

  give(buffer: Buffer): void {
    const own = this.#free.find(({ size }) => size === buffer.length);
    if (own !== undefined && own.buffers.length < MOST_KEPT) own.buffers.push(buffer);
  }
}

/** Shared by all reads: buffers go back as soon as what was read has been used. */
export const READ_BUFFERS = new BufferPool();
