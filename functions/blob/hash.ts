import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { KiB } from './chunk.ts';

// Below this, telling another thread costs more than hashing.
const WORTH_A_THREAD_BYTES = 64 * KiB;

/**
 * Runs in the thread: hashes what it is shown and says the result. It is text, not a file, so that it is found
 * wherever this module ends up, a function's bundle among them.
 */
const HASH_THREAD = `
const { parentPort } = require('node:worker_threads');
const { createHash } = require('node:crypto');
parentPort.on('message', ({ ticket, bytes }) => {
  parentPort.postMessage({ ticket, sha256: createHash('sha256').update(bytes).digest('hex') });
});`;

/**
 * A buffer for a chunk, zeroed, in memory that threads share: that is what lets it be hashed beside the main
 * thread without a copy. Files and sockets take it like any other.
 */
export const allocateChunk = (length: number): Buffer => Buffer.from(new SharedArrayBuffer(length));

/** sha-256 in hex, beside the main thread where that pays; `bytes` must not change until it resolves. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  if (bytes.length < WORTH_A_THREAD_BYTES || !(bytes.buffer instanceof SharedArrayBuffer)) {
    return createHash('sha256').update(bytes).digest('hex');
  }
  thread ??= new HashThread();
  return thread.hash(bytes);
}

/** One for the process, started at the first large chunk; it does not keep the process alive. */
let thread: HashThread | undefined;

class HashThread {
  readonly #worker = new Worker(HASH_THREAD, { eval: true, execArgv: [] });
  readonly #waiting = new Map<
    number,
    { resolve: (sha256: string) => void; reject: (error: Error) => void }
  >();
  #ticket = 0;

  constructor() {
    this.#worker.unref();
    this.#worker.on('message', ({ ticket, sha256 }: { ticket: number; sha256: string }) => {
      this.#waiting.get(ticket)?.resolve(sha256);
      this.#release(ticket);
    });
    this.#worker.on('error', (error) => {
      thread = undefined;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  hash(bytes: Uint8Array): Promise<string> {
    const ticket = this.#ticket++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(ticket, { resolve, reject });
      // While it hashes, someone waits: the process stays.
      this.#worker.ref();
      this.#worker.postMessage({ ticket, bytes });
    });
  }

  #release(ticket: number): void {
    this.#waiting.delete(ticket);
    if (this.#waiting.size === 0) this.#worker.unref();
  }
}
