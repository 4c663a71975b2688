import type { FileHandle } from 'node:fs/promises';
import { P2PError } from '../../protocol/errors.ts';
import type { PageCache } from '../page-cache.ts';
import type { Extent, LentFile } from '../store.ts';
import type { Loans } from './loans.ts';

/** A chunk's file, open, whose bytes this process has checked before, or written. */
export class FileExtent implements Extent {
  readonly from: string;
  readonly length: number;
  readonly sha256: string | undefined;
  readonly #handle: FileHandle;
  readonly #pages: PageCache | undefined;
  readonly #loans: Loans;
  #lent = 0;
  /** Reads under way, and loans: a descriptor that is lent while one is read must not go with that read. */
  #uses = 0;
  #isClosing = false;

  constructor(
    from: string,
    handle: FileHandle,
    length: number,
    sha256: string | undefined,
    pages: PageCache | undefined,
    loans: Loans,
  ) {
    this.from = from;
    this.#handle = handle;
    this.#pages = pages;
    this.#loans = loans;
    this.length = length;
    this.sha256 = sha256;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#uses += 1;
    try {
      for (let filled = 0; filled < into.length; ) {
        const { bytesRead } = await this.#handle.read(into, filled, into.length - filled, offset + filled);
        if (bytesRead === 0) throw new Error('the file ends before the chunk does');
        filled += bytesRead;
      }
    } catch (cause) {
      throw new P2PError('STORE_READ_FAILED', `cannot read ${into.length} bytes of a chunk`, { cause });
    } finally {
      this.#unuse();
    }
  }

  glance(offset: number, into: Uint8Array): boolean {
    // A descriptor that was closed may be another file's by now.
    if (this.#isClosing || offset + into.length > this.length) return false;
    return this.#pages?.read(this.#handle.fd, offset, into) === true;
  }

  lend(): LentFile | undefined {
    // With many opened at once it may be closed before whoever asked for it gets it.
    if (this.#isClosing && this.#uses === 0) return undefined;
    if (this.#lent === 0 && !this.#loans.take(this.length)) return undefined;
    this.#lent += 1;
    this.#uses += 1;
    let isLent = true;
    return {
      fd: this.#handle.fd,
      giveBack: () => {
        if (isLent) this.#takeBack();
        isLent = false;
      },
    };
  }

  #takeBack(): void {
    this.#lent -= 1;
    if (this.#lent === 0) this.#loans.giveBack(this.length);
    this.#unuse();
  }

  /** Closes the file once reads under way have ended and it is not lent any more; later reads fail. */
  async close(): Promise<void> {
    this.#isClosing = true;
    // Nothing is lost by a close that fails: the file was only read.
    if (this.#uses === 0) await this.#handle.close().catch(() => {});
  }

  #unuse(): void {
    this.#uses -= 1;
    if (this.#isClosing) void this.close();
  }
}
