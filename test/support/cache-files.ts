import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Every file of a chunk in a node's cache folder, by its place in the blob. */
export async function chunkFiles(cacheDir: string): Promise<string[]> {
  const entries = await readdir(join(cacheDir, 'v1'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /^\d+$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((a, b) => indexOf(a) - indexOf(b));
}

const indexOf = (file: string): number => Number(file.slice(file.lastIndexOf('/') + 1));

/** Flips a bit of a file, as a disk does that rots. */
export async function flipBit(path: string, at: number): Promise<void> {
  await using file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await file.write(byte, 0, 1, at);
}
