import { MiB } from './chunk.ts';

/** Bytes of each pooled buffer: reads of this size reach the disk's and the socket's full speed. */
export const POOLED_BYTES = 1 * MiB;

// 64 transfers with two buffers each; beyond it they are left to the garbage collector.
const MOST_KEPT = 128;

/**
 * Buffers to read files into, used again: memory that is new to the process costs more than the read. Only a
 * buffer that nobody looks at any more may be given back; one that may still be looked at is simply dropped.
 */
export class BufferPool {
  readonly #free: Buffer[] = [];

  /** A buffer of at least `bytes` with arbitrary content: a pooled one, or a small one of its own. */
  take(bytes: number): Buffer {
    if (bytes <= POOLED_BYTES / 4) return Buffer.allocUnsafeSlow(bytes);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(POOLED_BYTES);
  }

  give(buffer: Buffer): void {
    if (buffer.length === POOLED_BYTES && this.#free.length < MOST_KEPT) this.#free.push(buffer);
  }
}
