import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DirectoryEntries, StoredEntry } from './directory.ts';

/** Entries of the directory as empty files, for a root over a folder. */
export class FolderEntries implements DirectoryEntries {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async put(name: string): Promise<void> {
    const file = join(this.#root, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, '');
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#root, name), { force: true });
  }

  async list(folder: string): Promise<readonly StoredEntry[]> {
    const path = join(this.#root, folder);
    const names = await readdir(path, { recursive: true }).catch(() => []);
    if (names.length === 0) return [];
    const nowMs = await this.#fileClock();
    const found = await Promise.all(
      names.map(async (name): Promise<StoredEntry[]> => {
        // It may have been removed since.
        const facts = await stat(join(path, name)).catch(() => undefined);
        return facts?.isFile() ? [{ name: folder + name, ageMs: nowMs - facts.mtimeMs }] : [];
      }),
    );
    return found.flat();
  }

  /** What time it is where the files are: on a network's file system that need not be this machine's. */
  async #fileClock(): Promise<number> {
    const file = join(this.#root, `.clock-${randomUUID()}`);
    try {
      await writeFile(file, '');
      return (await stat(file)).mtimeMs;
    } finally {
      await rm(file, { force: true });
    }
  }
}
