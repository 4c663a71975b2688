import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const FILLER = 'filler';

/** A file system of its own, in memory, that can fail. */
export interface Disk extends AsyncDisposable {
  /** Takes all the space that is left. */
  fill(): Promise<void>;
  /** Removes everything on it. */
  empty(): Promise<void>;
  /** Lets nobody write any more. */
  lock(): Promise<void>;
  heal(): Promise<void>;
}

/** Makes one of this size. */
export async function mountDisk(path: string, bytes: number): Promise<Disk> {
  await mkdir(path, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'lab-disk', path]);
  return {
    async fill() {
      const { bavail, bsize } = await statfs(path);
      await writeFile(join(path, FILLER), Buffer.alloc(bavail * bsize));
    },
    async empty() {
      for (const name of await readdir(path))
        await rm(join(path, name), { recursive: true, force: true, maxRetries: 3 });
    },
    async lock() {
      // Busy for as long as a file on it is open for writing.
      await until('a read-only disk', () =>
        run('mount', ['-o', 'remount,ro', path]).then(
          () => true,
          () => false,
        ),
      );
    },
    async heal() {
      await run('mount', ['-o', 'remount,rw', path]);
      await rm(join(path, FILLER), { force: true });
    },
    async [Symbol.asyncDispose]() {
      await run('umount', ['--lazy', path]);
    },
  };
}
