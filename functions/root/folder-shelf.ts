import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DiskStore } from '../blob/disk/disk.ts';
import type { Kept, Shelf } from './shelf.ts';

// As many as S3 lists at a time, and looks at together.
const PAGE = 1000;

/** What a folder keeps. Ages are by this machine's clock, which its file system goes by. */
export class FolderShelf implements Shelf {
  readonly lentMs = 0;
  readonly #root: string;
  readonly #store: Pick<DiskStore, 'unlink'>;
  readonly #now: () => number;

  /** `store` is told of what is removed, for it remembers files. */
  constructor(root: string, store: Pick<DiskStore, 'unlink'>, now: () => number) {
    this.#root = root;
    this.#store = store;
    this.#now = now;
  }

  async *pages(folder: string): AsyncGenerator<readonly Kept[], void, undefined> {
    let names: string[] = [];
    for await (const name of this.#below(folder)) {
      names.push(name);
      if (names.length < PAGE) continue;
      yield await this.#lookAt(names);
      names = [];
    }
    if (names.length > 0) yield await this.#lookAt(names);
  }

  async ageOf(name: string): Promise<number | undefined> {
    return (await this.#look(name))?.ageMs;
  }

  async mark(name: string): Promise<void> {
    const file = join(this.#root, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, '');
  }

  async claim(name: string, staleMs: number): Promise<boolean> {
    const file = join(this.#root, name);
    await mkdir(dirname(file), { recursive: true });
    try {
      await writeFile(file, '', { flag: 'wx' });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
      // A folder belongs to one root, which does one thing at a time to a name.
      const ageMs = await this.ageOf(name);
      if (ageMs !== undefined && ageMs < staleMs) return false;
      await this.mark(name);
    }
    return true;
  }

  async remove(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.#store.unlink(name)));
  }

  /** The names of all files below a folder, in order; it may be gone by now. */
  async *#below(folder: string): AsyncGenerator<string, void, undefined> {
    const found = await readdir(join(this.#root, folder), { withFileTypes: true }).catch(noneIfMissing);
    const names = found.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
    for (const name of names) {
      if (name.endsWith('/')) yield* this.#below(folder + name);
      else yield folder + name;
    }
  }

  async #lookAt(names: readonly string[]): Promise<readonly Kept[]> {
    const page = await Promise.all(names.map((name) => this.#look(name)));
    return page.filter((kept) => kept !== undefined);
  }

  /** A file; it may have been removed since it was listed. */
  async #look(name: string): Promise<Kept | undefined> {
    const facts = await stat(join(this.#root, name)).catch(() => undefined);
    if (!facts?.isFile()) return undefined;
    return { name, bytes: facts.size, ageMs: Math.max(0, this.#now() - facts.mtimeMs) };
  }
}

function noneIfMissing(cause: NodeJS.ErrnoException): [] {
  if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return [];
  throw cause;
}
