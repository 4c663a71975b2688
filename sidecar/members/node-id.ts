import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILE = 'node-id';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The identity of the node whose data is in this folder, made when there is none: it survives restarts, and changes of
 * address. Where the folder cannot be written it lasts as long as the process.
 */
export async function loadNodeId(folder: string): Promise<string> {
  const file = join(folder, FILE);
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (UUID.test(kept.trim())) return kept.trim();
  const id = randomUUID();
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(file, `${id}\n`);
  } catch {
    // Nor can its disk cache, which says so.
  }
  return id;
}
