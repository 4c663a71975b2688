import { rm, stat, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Chunk, ChunkId } from '../chunk.ts';
import type { BlobFacts } from '../facts.ts';
import type { PageCache } from '../page-cache.ts';
import { accessPath, chunkPath, factsPath, keyPath } from '../path.ts';
import type { AccessRecord, ChunkStore, Extent } from '../store.ts';
import { FolderStore } from './folder.ts';
import { Ledger } from './ledger.ts';
import { Loans } from './loans.ts';
import { isDiskFull, TEMPORARY } from './placing.ts';
import { formatRecord } from './record.ts';
import { scanFolder } from './scan.ts';
import { SEAL_BYTES } from './seal.ts';

// How long one look at the file system's free space is believed.
const SPACE_BELIEVED_MS = 500;
// What slow clients may hold of the disk beyond the cap, once it is evicted: they are then read to.
const LENT_SHARE = 0.25;

/** What a disk cache needs; sizes in bytes. */
export interface DiskOptions {
  readonly root: string;
  /** Hard cap on the files' sizes. */
  readonly maxBytes: number;
  /** Space left free on the file system. */
  readonly minFreeBytes: number;
  readonly now: () => number;
  /** With it small ranges are read without waiting where the kernel has them in memory. */
  readonly pages?: PageCache | undefined;
  /** True where no other process writes into the folder: what the scan has not found, and nobody written since, is not looked for. */
  readonly isOnlyWriter?: boolean;
  readonly onEvict: (files: number) => void;
}

/**
 * A folder of chunks kept under a cap, least recently used out first. The folder belongs to one process. What
 * an earlier process left is served at once; the ledger over it is rebuilt meanwhile, see `scanned`.
 */
export class DiskStore implements ChunkStore {
  readonly name = 'disk';
  /** Resolves when all that was on disk at the start is in the ledger. */
  readonly scanned: Promise<void>;

  readonly #folder: FolderStore;
  readonly #ledger: Ledger;
  readonly #options: DiskOptions;
  readonly #writing = new Set<string>();
  /** Writes that have ended. */
  #writes = 0;
  #free = { bytes: Number.POSITIVE_INFINITY, atMs: Number.NEGATIVE_INFINITY };
  #closed = false;
  /** True once what is not in the ledger is not there. */
  #isComplete = false;

  private constructor(folder: FolderStore, options: DiskOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#ledger = new Ledger(options.maxBytes);
    this.scanned = this.#scan();
    // Nobody has to await the scan for the cache to work without it.
    this.scanned.catch(() => {});
  }

  /**
   * Opens the cache in `root`, made when it is missing, and starts the scan of what it holds.
   *
   * @throws P2PError STORE_WRITE_FAILED when the folder cannot be made or written.
   */
  static async open(options: DiskOptions): Promise<DiskStore> {
    // What lies there is of a process that is gone: half-written files.
    await rm(join(options.root, TEMPORARY), { recursive: true, force: true }).catch(() => {});
    const loans = new Loans(options.maxBytes * LENT_SHARE);
    return new DiskStore(await FolderStore.open(options.root, 'disk', options.pages, loans), options);
  }

  /** Bytes and files held, as far as the scan has come. */
  get usage(): { readonly bytes: number; readonly files: number } {
    return { bytes: this.#ledger.bytes, files: this.#ledger.count };
  }

  peek(): undefined {
    return undefined;
  }

  async read(id: ChunkId): Promise<Chunk | undefined> {
    const path = chunkPath(id);
    if (this.#lacks(path)) return undefined;
    const writes = this.#writes;
    const chunk = await this.#folder.read(id);
    if (chunk === undefined) this.#lost(path, writes);
    else await this.#used(path, chunk.bytes.length + SEAL_BYTES);
    return chunk;
  }

  async extent(id: ChunkId, asFile?: boolean): Promise<Extent | undefined> {
    if (this.#lacks(chunkPath(id))) return undefined;
    const extent = await this.#folder.extent(id, asFile);
    if (extent !== undefined) await this.#used(chunkPath(id), extent.length + SEAL_BYTES);
    return extent;
  }

  peekExtent(id: ChunkId): Extent | undefined {
    const extent = this.#folder.peekExtent(id);
    if (extent !== undefined) this.touched(id);
    return extent;
  }

  has(id: ChunkId): Promise<boolean> {
    return this.#folder.has(id);
  }

  async write(id: ChunkId, chunk: Chunk): Promise<void> {
    await this.#place(chunkPath(id), chunk.bytes.length + SEAL_BYTES, () => this.#folder.write(id, chunk));
  }

  readFacts(addressKey: string): Promise<BlobFacts | undefined> {
    return this.#readRecord(factsPath(addressKey), () => this.#folder.readFacts(addressKey));
  }

  async writeFacts(addressKey: string, facts: BlobFacts): Promise<void> {
    const write = () => this.#folder.writeFacts(addressKey, facts);
    await this.#place(factsPath(addressKey), sizeOfRecord(facts), write);
  }

  readAccess(key: string): Promise<AccessRecord | undefined> {
    return this.#readRecord(accessPath(key), () => this.#folder.readAccess(key));
  }

  async writeAccess(key: string, record: AccessRecord): Promise<void> {
    const write = () => this.#folder.writeAccess(key, record);
    await this.#place(accessPath(key), sizeOfRecord(record), write);
  }

  async remove(key: string): Promise<void> {
    this.#ledger.forgetUnder(keyPath(key));
    await this.#folder.remove(key);
  }

  /** Removes one file of the folder; a missing one is fine. */
  async unlink(path: string): Promise<void> {
    this.#ledger.forget(path);
    await this.#folder.unlink(path);
  }

  /** Tells that a chunk was served from a faster store, so that it does not look unused here. */
  touched(id: ChunkId): void {
    const path = chunkPath(id);
    if (this.#ledger.use(path, this.#options.now())) this.#setTime(path);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.scanned.catch(() => {});
    await this.#folder.close();
  }

  async #readRecord<T extends BlobFacts | AccessRecord>(
    path: string,
    read: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    if (this.#lacks(path)) return undefined;
    const writes = this.#writes;
    const record = await read();
    if (record === undefined) this.#lost(path, writes);
    else await this.#used(path, sizeOfRecord(record));
    return record;
  }

  async #place(path: string, bytes: number, write: () => Promise<void>): Promise<void> {
    const wasThere = this.#ledger.has(path);
    if (!this.#ledger.enter(path, bytes, this.#options.now())) {
      if (wasThere) await this.#folder.unlink(path);
      return;
    }
    this.#writing.add(path);
    try {
      await this.#makeRoom(bytes);
      await write().catch(async (error: unknown) => {
        if (!isDiskFull(error)) throw error;
        await this.#evict(2 * bytes);
        await write();
      });
    } catch (error) {
      // What was there before is there still.
      if (!wasThere) this.#ledger.forget(path);
      throw error;
    } finally {
      this.#writing.delete(path);
      this.#writes += 1;
    }
    // Evicted while it was written: the ledger has forgotten it, so the disk must.
    if (!this.#ledger.has(path)) await this.#folder.unlink(path);
  }

  async #makeRoom(bytes: number): Promise<void> {
    await this.#removeEvicted();
    const { minFreeBytes, root, now } = this.#options;
    if (minFreeBytes === 0) return;
    if (now() - this.#free.atMs > SPACE_BELIEVED_MS) {
      // Where even this fails, the write that follows will say why.
      const bytes = await statfs(root).then(
        (space) => space.bavail * space.bsize,
        () => minFreeBytes,
      );
      this.#free = { bytes, atMs: now() };
    }
    this.#free.bytes -= bytes;
    if (this.#free.bytes < minFreeBytes) {
      await this.#evict(minFreeBytes - this.#free.bytes);
      this.#free.atMs = Number.NEGATIVE_INFINITY;
    }
  }

  async #evict(bytes: number): Promise<void> {
    this.#ledger.free(bytes);
    await this.#removeEvicted();
  }

  async #removeEvicted(): Promise<void> {
    const evicted = this.#ledger.takeEvicted();
    if (evicted.length === 0) return;
    this.#options.onEvict(evicted.length);
    // One being written is removed by its writer.
    await Promise.all(
      evicted.filter((path) => !this.#writing.has(path)).map((path) => this.#folder.unlink(path)),
    );
  }

  #lacks(path: string): boolean {
    return this.#isComplete && !this.#ledger.has(path);
  }

  /** Forgets what was not there. Where anything was written since, it may be: the next one who asks looks again. */
  #lost(path: string, writes: number): void {
    if (!this.#writing.has(path) && this.#writes === writes) this.#ledger.forget(path);
  }

  async #used(path: string, bytes: number): Promise<void> {
    const nowMs = this.#options.now();
    if (this.#ledger.has(path)) {
      if (this.#ledger.use(path, nowMs)) this.#setTime(path);
      return;
    }
    // Found before the scan came to it.
    this.#ledger.enter(path, bytes, nowMs);
    await this.#removeEvicted();
  }

  /** Only the time of use: a changed time of writing would look like a changed file. */
  #setTime(path: string): void {
    const file = join(this.#options.root, path);
    const seconds = this.#options.now() / 1000;
    stat(file)
      .then(({ mtimeMs }) => utimes(file, seconds, mtimeMs / 1000))
      // Gone meanwhile, or not ours to change: its recency is lost, nothing else.
      .catch(() => {});
  }

  async #scan(): Promise<void> {
    const scan = await scanFolder(this.#options.root, () => this.#closed);
    if (scan === undefined) return;
    this.#ledger.addOlder(scan.found);
    this.#isComplete = scan.isWhole && this.#options.isOnlyWriter === true;
    await this.#removeEvicted();
  }
}

const sizeOfRecord = (record: BlobFacts | AccessRecord): number => Buffer.byteLength(formatRecord(record));
