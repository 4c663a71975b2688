import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { P2PError } from '../protocol/errors.ts';
import { parseRecord, type Records } from './records.ts';

/** Records as files of a folder. */
export class FolderRecords implements Records {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async get<T>(path: string): Promise<T | undefined> {
    try {
      return parseRecord<T>(await readFile(join(this.#root, path), 'utf8'));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new P2PError('STORE_READ_FAILED', `cannot read ${path} in ${this.#root}`, { cause });
    }
  }

  async put(path: string, record: object): Promise<void> {
    const file = join(this.#root, path);
    // Beside what it becomes, so that the rename does not cross file systems.
    const temporary = `${file}.${randomUUID()}`;
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(temporary, JSON.stringify(record), { flag: 'wx' });
      await rename(temporary, file);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {});
      throw new P2PError('STORE_WRITE_FAILED', `cannot write ${path} in ${this.#root}`, { cause });
    }
  }
}
