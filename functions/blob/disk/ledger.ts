import { LRUCache } from 'lru-cache';

interface Entry {
  readonly bytes: number;
  touchedMs: number;
}

/** One file found on disk. */
export interface Found {
  readonly path: string;
  readonly bytes: number;
  /** When it was last used, milliseconds since the epoch. */
  readonly usedMs: number;
}

// ext4 and xfs hand out space in blocks of 4 KiB, so that is what a small file really takes.
const BLOCK_BYTES = 4096;
// An empty file counts too: a power cut leaves some.
const onDisk = (bytes: number): number => Math.max(1, Math.ceil(bytes / BLOCK_BYTES)) * BLOCK_BYTES;

// A file's time is set anew at most this often: recency survives a restart without a write at each hit.
const TOUCH_EVERY_MS = 5 * 60_000;

/** Which files the cache holds, in order of use, and which must go so that their sizes stay under the cap. */
export class Ledger {
  readonly #entries: LRUCache<string, Entry>;
  #evicted: string[] = [];
  #loading = false;

  constructor(maxBytes: number) {
    this.#entries = new LRUCache({
      maxSize: Math.max(1, maxBytes),
      sizeCalculation: (entry) => entry.bytes,
      dispose: (_entry, path, reason) => {
        if (reason === 'evict' && !this.#loading) this.#evicted.push(path);
      },
    });
  }

  /** Bytes of all files, in whole blocks. */
  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  get count(): number {
    return this.#entries.size;
  }

  has(path: string): boolean {
    return this.#entries.has(path);
  }

  /** Enters a file as the most recently used; `false` when it is larger than the cap. See `takeEvicted`. */
  enter(path: string, bytes: number, nowMs: number): boolean {
    this.#entries.set(path, { bytes: onDisk(bytes), touchedMs: nowMs });
    return this.#entries.has(path);
  }

  /** Marks a file as used now; true when its time on disk should be set, which is seldom. */
  use(path: string, nowMs: number): boolean {
    const entry = this.#entries.get(path);
    if (entry === undefined || nowMs - entry.touchedMs < TOUCH_EVERY_MS) return false;
    entry.touchedMs = nowMs;
    return true;
  }

  forget(path: string): void {
    this.#entries.delete(path);
  }

  forgetUnder(folder: string): void {
    for (const path of [...this.#entries.keys()])
      if (path.startsWith(`${folder}/`)) this.#entries.delete(path);
  }

  /** Evicts the least recently used files until `bytes` are freed or none is left. */
  free(bytes: number): void {
    const target = Math.max(0, this.bytes - bytes);
    while (this.bytes > target) {
      const oldest = this.#entries.rkeys().next();
      if (oldest.done) return;
      this.#evicted.push(oldest.value);
      this.#entries.delete(oldest.value);
    }
  }

  /** The files evicted since the last call: the caller removes them. */
  takeEvicted(): string[] {
    const evicted = this.#evicted;
    this.#evicted = [];
    return evicted;
  }

  /** Adds files found on disk as older than all entered so far, and evicts what is then too much. */
  addOlder(found: readonly Found[]): void {
    const live = [...this.#entries.entries()].reverse();
    const known = new Set(live.map(([path]) => path));
    this.#loading = true;
    this.#entries.clear();
    this.#loading = false;
    for (const { path, bytes, usedMs } of [...found].sort((a, b) => a.usedMs - b.usedMs)) {
      if (!known.has(path)) this.#entries.set(path, { bytes: onDisk(bytes), touchedMs: usedMs });
    }
    for (const [path, entry] of live) this.#entries.set(path, entry);
  }
}
