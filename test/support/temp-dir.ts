import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A folder of its own that is gone, with all in it, when the test is over. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

/** A new empty folder below the system's own for temporary files. */
export async function tempDir(): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), 'dadip2p-test-'));
  return { path, [Symbol.asyncDispose]: () => removeTree(path) };
}

/** True where `tmpfs` can work: mounting takes root on Linux. */
export const canMount = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

/** A folder on a file system of its own that is full after `sizeBytes`: real ENOSPC. Root only. */
export async function tmpfs(sizeBytes: number): Promise<TempDir> {
  const dir = await tempDir();
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'dadip2p-test', dir.path]);
  return {
    path: dir.path,
    async [Symbol.asyncDispose]() {
      // Lazily: a process that a test killed a moment ago may still hold a file open.
      await run('umount', ['--lazy', dir.path]);
      await removeTree(dir.path);
    },
  };
}

// A process that is just ending may still add a file between the listing and the removal.
const removeTree = (path: string) =>
  rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
