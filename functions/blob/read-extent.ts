import { type BufferPool, POOLED_BYTES } from './buffer-pool.ts';
import type { Slice } from './chunk.ts';
import type { Extent } from './store.ts';

interface Filled {
  readonly buffer: Buffer;
  readonly bytes: number;
}

/**
 * The bytes of a slice out of a stored chunk, 1 MiB at a time, the next read while one is used. A piece is
 * valid until the next is asked for.
 *
 * @throws P2PError STORE_READ_FAILED; what was yielded before is right.
 */
export async function* readExtent(
  extent: Extent,
  { from, to }: Slice,
  pool: BufferPool,
): AsyncGenerator<Uint8Array, void, undefined> {
  const start = (at: number): Promise<Filled> | undefined => {
    if (at >= to) return undefined;
    const bytes = Math.min(POOLED_BYTES, to - at);
    const buffer = pool.take(bytes);
    const filling = extent.read(at, buffer.subarray(0, bytes)).then(() => ({ buffer, bytes }));
    // When the reader leaves early nobody waits for this one.
    filling.catch(() => {});
    return filling;
  };
  let next = start(from);
  for (let at = from; next !== undefined; ) {
    const { buffer, bytes } = await next;
    at += bytes;
    next = start(at);
    yield buffer.subarray(0, bytes);
    pool.give(buffer);
  }
}
