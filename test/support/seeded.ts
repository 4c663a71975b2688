import { virtualBlob } from './blob-of.ts';

const BUFFER_BYTES = 64 * 1024;

/** Numbers in [0, 1) that depend on the seed alone, so that what failed once fails again. */
export function seeded(seed: string | number): () => number {
  const stream = virtualBlob(Number.MAX_SAFE_INTEGER, `random ${seed}`);
  let at = 0;
  let buffer = stream.at(0, BUFFER_BYTES);
  return () => {
    const from = at % BUFFER_BYTES;
    if (from === 0) buffer = stream.at(at, BUFFER_BYTES);
    at += 4;
    return buffer.readUInt32LE(from) / 2 ** 32;
  };
}

/** One of the items. */
export function pickFrom<T>(random: () => number, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}
