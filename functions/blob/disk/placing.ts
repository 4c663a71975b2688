import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { P2PError } from '../../protocol/errors.ts';
import { KiB } from '../chunk.ts';
import { LAYOUT } from '../path.ts';

/** Temporary files live beside what they become, so that a rename never crosses file systems. */
export const TEMPORARY = `${LAYOUT}/.tmp`;

// A longer write is given page cache in blocks of up to 2 MiB (large folios). In a virtual machine free blocks of that
// size are the ones whose memory the host has taken back: measured, such writes cost up to four times as much.
const WRITE_BYTES = 512 * KiB;

/** Puts files under their names in a folder, whole or not at all. */
export class Placing {
  readonly #root: string;
  readonly #writing = new Set<Promise<string>>();

  constructor(root: string) {
    this.#root = root;
  }

  /**
   * Writes one after the other of these under a name, in place of what was there. Resolves to the identity of the file.
   *
   * @throws P2PError STORE_WRITE_FAILED, and nothing has changed.
   */
  async place(path: string, parts: Uint8Array[]): Promise<string> {
    const placing = this.#placeFile(path, parts);
    this.#writing.add(placing);
    try {
      return await placing;
    } catch (cause) {
      throw writeFailed(join(this.#root, path), cause);
    } finally {
      this.#writing.delete(placing);
    }
  }

  /** Resolves when all that is being written is placed, or has failed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }

  async #placeFile(path: string, parts: Uint8Array[]): Promise<string> {
    const temporary = join(this.#root, TEMPORARY, randomUUID());
    const target = join(this.#root, path);
    // Folders are there more often than not, and may go at any time: so try first, make them when they are not.
    try {
      const identity = await this.#writeAll(temporary, parts).catch(async (cause) => {
        if (!isMissing(cause)) throw cause;
        await mkdir(dirname(temporary), { recursive: true });
        return this.#writeAll(temporary, parts);
      });
      await rename(temporary, target).catch(async (cause) => {
        if (!isMissing(cause)) throw cause;
        await mkdir(dirname(target), { recursive: true });
        await rename(temporary, target);
      });
      return identity;
    } catch (cause) {
      await unlink(temporary).catch(() => {});
      throw cause;
    }
  }

  async #writeAll(file: string, parts: Uint8Array[]): Promise<string> {
    await using handle = await open(file, 'wx');
    for (const part of parts) {
      for (let at = 0; at < part.length; at += WRITE_BYTES) {
        const length = Math.min(WRITE_BYTES, part.length - at);
        const { bytesWritten } = await handle.write(part, at, length);
        if (bytesWritten < length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
      }
    }
    return identityOf(await handle.stat());
  }
}

/** Changes whenever the file under a name is replaced or written to. */
export const identityOf = ({ ino, mtimeMs, size }: Stats): string => `${ino} ${mtimeMs} ${size}`;

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException | undefined)?.code;

/** Of a file, or a folder on the way to it. */
export const isMissing = (cause: unknown): boolean =>
  codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR';

/** True when a write failed for want of space. */
export function isDiskFull(error: unknown): boolean {
  const code = codeOf(error instanceof P2PError ? error.cause : error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** The error for what cannot be written. */
export function writeFailed(path: string, cause: unknown): P2PError {
  return new P2PError('STORE_WRITE_FAILED', `cannot write ${path}: ${codeOf(cause) ?? String(cause)}`, {
    cause,
  });
}
