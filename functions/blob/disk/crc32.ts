import { createRequire } from 'node:module';
import { crc32 as portable } from 'node:zlib';

type Crc32 = (bytes: Uint8Array) => number;

let fastest: Crc32 | undefined;

/**
 * CRC-32 as zlib has it. By the processor's own instruction where the optional package @node-rs/crc32 runs: Node's takes
 * two and a half times as long, on the thread that serves.
 */
export function crc32(bytes: Uint8Array): number {
  fastest ??= native() ?? portable;
  return fastest(bytes);
}

function native(): Crc32 | undefined {
  try {
    const { crc32 }: typeof import('@node-rs/crc32') = createRequire(import.meta.url)('@node-rs/crc32');
    // It takes buffers alone, by its word.
    return (bytes) => crc32(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  } catch {
    return undefined;
  }
}
