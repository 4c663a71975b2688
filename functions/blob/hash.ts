import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { KiB } from './chunk.ts';

// Below this, telling another thread costs more than hashing.
const WORTH_A_THREAD_BYTES = 64 * KiB;

// One is hashed while the next is copied in.
const SLOTS = 2;

/**
 * Runs in the thread: hashes what it is shown and says the result. It is text, not a file, so that it is found
 * wherever this module ends up, a function's bundle among them.
 */
const HASH_THREAD = `
const { parentPort } = require('node:worker_threads');
const { createHash } = require('node:crypto');
parentPort.on('message', ({ slot, memory, length }) => {
  const bytes = new Uint8Array(memory, 0, length);
  parentPort.postMessage({ slot, sha256: createHash('sha256').update(bytes).digest('hex') });
});`;

/** sha-256 in hex, beside the main thread where that pays; `bytes` must not change until it resolves. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  if (bytes.length < WORTH_A_THREAD_BYTES) return createHash('sha256').update(bytes).digest('hex');
  thread ??= new HashThread();
  return thread.hash(bytes);
}

/** One for the process, started at the first large chunk; it does not keep the process alive. */
let thread: HashThread | undefined;

interface Job {
  readonly bytes: Uint8Array;
  readonly resolve: (sha256: string) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Chunks are copied into a few slots of memory that both threads share. Chunks that lie in shared memory
 * themselves would need no copy, but V8 does not count such memory towards garbage: they pile up by the GiB.
 */
class HashThread {
  readonly #worker = new Worker(HASH_THREAD, { eval: true, execArgv: [] });
  readonly #slots = Array.from({ length: SLOTS }, () => new SharedArrayBuffer(0));
  readonly #running = new Map<number, Job>();
  #waiting: Job[] = [];

  constructor() {
    this.#worker.unref();
    this.#worker.on('message', ({ slot, sha256 }: { slot: number; sha256: string }) => {
      this.#running.get(slot)?.resolve(sha256);
      this.#running.delete(slot);
      this.#proceed();
      if (this.#running.size === 0) this.#worker.unref();
    });
    this.#worker.on('error', (error) => {
      thread = undefined;
      for (const { reject } of [...this.#running.values(), ...this.#waiting]) reject(error);
      this.#running.clear();
      this.#waiting = [];
    });
  }

  hash(bytes: Uint8Array): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, resolve, reject });
      // While it hashes, someone waits: the process stays.
      this.#worker.ref();
      this.#proceed();
    });
  }

  #proceed(): void {
    for (let slot = 0; slot < SLOTS; slot += 1) {
      if (this.#running.has(slot)) continue;
      const job = this.#waiting.shift();
      if (job === undefined) return;
      this.#running.set(slot, job);
      this.#worker.postMessage({ slot, memory: this.#fill(slot, job.bytes), length: job.bytes.length });
    }
  }

  #fill(slot: number, bytes: Uint8Array): SharedArrayBuffer {
    const held = this.#slots[slot];
    const memory =
      held !== undefined && held.byteLength >= bytes.length ? held : new SharedArrayBuffer(bytes.length);
    this.#slots[slot] = memory;
    new Uint8Array(memory).set(bytes);
    return memory;
  }
}
