import { constants } from 'node:fs';
import { mkdir, open, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { P2PError } from '../../protocol/errors.ts';
import type { Chunk, ChunkId } from '../chunk.ts';
import type { BlobFacts } from '../facts.ts';
import type { PageCache } from '../page-cache.ts';
import { accessPath, chunkPath, factsPath, keyPath } from '../path.ts';
import type { AccessRecord, ChunkStore } from '../store.ts';
import { FileExtent } from './file-extent.ts';
import { Loans } from './loans.ts';
import { identityOf, isMissing, Placing, TEMPORARY, writeFailed } from './placing.ts';
import { formatRecord, parseRecord, type StoreRecord } from './record.ts';
import { openSealed, SEAL_BYTES, sealOf, sha256Of } from './seal.ts';

/** Tells backup programs to pass over (bford.info/cachedir). */
const CACHEDIR_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# Chunks of blobs that can be fetched again, kept by dadip2p. Safe to delete while it is stopped.
`;

// Files kept open for reading in part; far below the usual limit of 1,024 descriptors a process.
const MOST_OPEN = 256;

/** A file that is being opened, and what that came to. */
interface Opening {
  readonly opened: Promise<FileExtent | undefined>;
  extent: FileExtent | undefined;
}

/**
 * One file a chunk in a folder, without a bound; several processes may share the folder. A file appears whole,
 * by rename, and is not flushed to disk: one torn by a power cut fails its seal and counts as a miss.
 */
export class FolderStore implements ChunkStore {
  readonly name: string;
  readonly #root: string;
  readonly #pages: PageCache | undefined;
  readonly #loans: Loans;
  /** Path → the identity of the file whose bytes were checked, or written; another file under the name is checked anew. */
  readonly #checked = new LRUCache<string, string>({ max: 200_000 });
  readonly #open = new LRUCache<string, Opening>({
    max: MOST_OPEN,
    dispose: ({ opened }) => void opened.then((extent) => extent?.close()),
  });
  #checking: Promise<unknown> | undefined;
  readonly #placing: Placing;

  private constructor(root: string, name: string, pages: PageCache | undefined, loans: Loans) {
    this.#root = root;
    this.#placing = new Placing(root);
    this.#pages = pages;
    this.#loans = loans;
    this.name = name;
  }

  /**
   * A store over a folder, made when it is missing; with `pages` its extents can be glanced at, and of its files so much
   * is lent at a time as `loans` allows.
   *
   * @throws P2PError STORE_WRITE_FAILED when the folder cannot be made or written.
   */
  static async open(
    root: string,
    name = 'folder',
    pages?: PageCache,
    loans = new Loans(Number.POSITIVE_INFINITY),
  ): Promise<FolderStore> {
    try {
      await mkdir(join(root, TEMPORARY), { recursive: true });
      await writeFile(join(root, 'CACHEDIR.TAG'), CACHEDIR_TAG);
    } catch (cause) {
      throw writeFailed(root, cause);
    }
    return new FolderStore(root, name, pages, loans);
  }

  peek(): undefined {
    return undefined;
  }

  async read(id: ChunkId): Promise<Chunk | undefined> {
    const path = chunkPath(id);
    const file = await this.#load(path);
    if (file === undefined) return undefined;
    const chunk = await openSealed(id, file.content, this.#checked.get(path) === file.identity);
    if (chunk === undefined) await this.unlink(path);
    else this.#checked.set(path, file.identity);
    return chunk;
  }

  async extent(id: ChunkId, asFile = false): Promise<FileExtent | undefined> {
    const path = chunkPath(id);
    const opening = this.#open.get(path);
    if (opening !== undefined) return opening.opened;
    const identity = this.#checked.get(path);
    if (identity === undefined) {
      if (asFile) this.#checkSoon(id);
      return undefined;
    }
    const opened = this.#openExtent(path, identity);
    const own: Opening = { opened, extent: undefined };
    this.#open.set(path, own);
    own.extent = await opened;
    if (own.extent === undefined) this.#forget(path);
    return own.extent;
  }

  peekExtent(id: ChunkId): FileExtent | undefined {
    return this.#open.get(chunkPath(id))?.extent;
  }

  async has(id: ChunkId): Promise<boolean> {
    const path = chunkPath(id);
    try {
      return (await stat(join(this.#root, path))).size > SEAL_BYTES;
    } catch (cause) {
      if (isMissing(cause)) return false;
      throw new P2PError('STORE_READ_FAILED', `cannot look for ${path} in ${this.#root}`, { cause });
    }
  }

  async write(id: ChunkId, chunk: Chunk): Promise<void> {
    const path = chunkPath(id);
    this.#forget(path);
    const seal = sealOf(id, chunk);
    // The sum is of the very bytes that were written.
    this.#checked.set(path, await this.#placing.place(path, [chunk.bytes, seal]));
  }

  readFacts(addressKey: string): Promise<BlobFacts | undefined> {
    return this.#readRecord(factsPath(addressKey));
  }

  async writeFacts(addressKey: string, facts: BlobFacts): Promise<void> {
    await this.#placing.place(factsPath(addressKey), [Buffer.from(formatRecord(facts))]);
  }

  readAccess(key: string): Promise<AccessRecord | undefined> {
    return this.#readRecord(accessPath(key));
  }

  async writeAccess(key: string, record: AccessRecord): Promise<void> {
    await this.#placing.place(accessPath(key), [Buffer.from(formatRecord(record))]);
  }

  async remove(key: string): Promise<void> {
    const folder = keyPath(key);
    for (const path of [...this.#open.keys()]) if (path.startsWith(`${folder}/`)) this.#forget(path);
    await rm(join(this.#root, folder), { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#checking, this.#placing.settled()]);
    this.#open.clear();
  }

  /** Removes one file, and its folder when that was the last; a missing one is fine. */
  async unlink(path: string): Promise<void> {
    this.#forget(path);
    const file = join(this.#root, path);
    await unlink(file).catch(ignoreMissing);
    // Not empty, or gone already: either is as it should be.
    await rmdir(dirname(file)).catch(() => {});
  }

  async #readRecord<T extends StoreRecord>(path: string): Promise<T | undefined> {
    const file = await this.#load(path);
    const record = file && parseRecord<T>(file.content.toString('utf8'));
    if (file !== undefined && record === undefined) await this.unlink(path);
    return record;
  }

  /** Has a file checked for the next one who asks for it; one at a time, for each is read whole. */
  #checkSoon(id: ChunkId): void {
    this.#checking ??= this.read(id).then(
      () => (this.#checking = undefined),
      () => (this.#checking = undefined),
    );
  }

  /** After a change under a name nothing known of the file before it holds. */
  #forget(path: string): void {
    this.#checked.delete(path);
    this.#open.delete(path);
  }

  /** The file under a name, if it is still the one that was checked. */
  async #openExtent(path: string, identity: string): Promise<FileExtent | undefined> {
    const handle = await open(join(this.#root, path), READ_ONLY).catch(() => undefined);
    if (handle === undefined) return undefined;
    try {
      const facts = await handle.stat();
      if (identityOf(facts) === identity) {
        const length = facts.size - SEAL_BYTES;
        const seal = Buffer.alloc(SEAL_BYTES);
        await handle.read(seal, 0, seal.length, length);
        return new FileExtent(this.name, handle, length, sha256Of(seal), this.#pages, this.#loans);
      }
    } catch {
      // Then it is read whole, and that says what is wrong.
    }
    await handle.close().catch(() => {});
    return undefined;
  }

  async #load(path: string): Promise<{ content: Buffer; identity: string } | undefined> {
    try {
      await using handle = await open(join(this.#root, path), READ_ONLY);
      const facts = await handle.stat();
      const { size } = facts;
      const content = Buffer.allocUnsafeSlow(size);
      for (let at = 0; at < size; ) {
        const { bytesRead } = await handle.read(content, at, size - at, at);
        if (bytesRead === 0) break; // cut short meanwhile: the seal will not fit
        at += bytesRead;
      }
      return { content, identity: identityOf(facts) };
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw new P2PError('STORE_READ_FAILED', `cannot read ${path} in ${this.#root}`, { cause });
    }
  }
}

const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW;

function ignoreMissing(cause: unknown): void {
  if (!isMissing(cause)) throw cause;
}
