// Buffers kept for the next flights; more are left to the garbage collector. Four readers that each look four chunks
// ahead take as many, with what of theirs is being written.
const MOST_KEPT = 48;
// What has not been needed for so long goes, but for a few: longer than pulls pause between layers.
const IDLE_MS = 60_000;
const FEWEST_KEPT = 8;

/** What a released buffer is filled with where tests look for a use after release. */
const POISON = 0xdb;

/**
 * Buffers of one chunk's size, used again. Memory that is new to the process has to be faulted in and zeroed by
 * the kernel, and V8 runs a full collection for every 64 MiB of it: together a third of the cost of a fill.
 */
export class ChunkPool {
  readonly #bytes: number;
  readonly #poison: boolean;
  readonly #free: Buffer[] = [];
  /** The fewest that lay unused at one time since the last look. */
  #spare = 0;
  #looking: NodeJS.Timeout | undefined;
  readonly #idleMs: number;

  /** `poison` overwrites what is released, so that whoever still reads it shows up. */
  constructor(bytes: number, poison = false, idleMs = IDLE_MS) {
    this.#bytes = bytes;
    this.#poison = poison;
    this.#idleMs = idleMs;
  }

  /** Buffers that lie unused. */
  get kept(): number {
    return this.#free.length;
  }

  /** Memory for a chunk of `length` bytes, held once by the caller. Nothing is taken before it is used. */
  lease(length: number): ChunkMemory {
    return new ChunkMemory(this, length);
  }

  /** A buffer with arbitrary content; a pooled one where the size is that of the pool. */
  take(length: number): Buffer {
    if (length !== this.#bytes) return Buffer.allocUnsafeSlow(length);
    const buffer = this.#free.pop();
    this.#spare = Math.min(this.#spare, this.#free.length);
    return buffer ?? Buffer.allocUnsafeSlow(length);
  }

  /** Takes a buffer back that nobody looks at any more. */
  give(buffer: Buffer): void {
    if (this.#poison) buffer.fill(POISON);
    if (buffer.length !== this.#bytes || this.#free.length >= MOST_KEPT) return;
    this.#free.push(buffer);
    this.#looking ??= setInterval(() => this.#shrink(), this.#idleMs).unref();
  }

  /** Drops what lay unused all the while, those first that were used longest ago. */
  #shrink(): void {
    this.#free.splice(0, Math.max(0, Math.min(this.#spare, this.#free.length - FEWEST_KEPT)));
    this.#spare = this.#free.length;
    if (this.#free.length > FEWEST_KEPT) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}

/**
 * The memory of one chunk, and who still looks at it. It goes back to the pool with the last `release`. Whoever
 * ends in an error just never releases: then the garbage collector has it, and nobody sees foreign bytes.
 */
export class ChunkMemory {
  readonly #pool: ChunkPool;
  readonly #length: number;
  #buffer: Buffer | undefined;
  #holds = 1;

  constructor(pool: ChunkPool, length: number) {
    this.#pool = pool;
    this.#length = length;
  }

  get bytes(): Buffer {
    this.#buffer ??= this.#pool.take(this.#length);
    return this.#buffer;
  }

  retain(): void {
    if (this.#holds === 0) throw new Error('the memory of a chunk was retained after its release');
    this.#holds += 1;
  }

  release(): void {
    if (this.#holds === 0) throw new Error('the memory of a chunk was released more often than held');
    this.#holds -= 1;
    if (this.#holds === 0 && this.#buffer !== undefined) this.#pool.give(this.#buffer);
  }
}
