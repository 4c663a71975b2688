import type { Socket } from 'node:net';
import { extname } from 'node:path';
import process from 'node:process';
import { Worker } from 'node:worker_threads';
import type { FileSpan } from '../../functions/blob/file-piece.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { FileSender } from '../../functions/service/file-sender.ts';
import type { SendOrder, ThreadOrder, ThreadReport } from './messages.ts';
import { loadNative, type Native } from './native.ts';

// <sys/eventfd.h> and <errno.h> of Linux.
const EFD_NONBLOCK = 0x800;
const EPIPE = 32;
const ECONNRESET = 104;
const CLIENT_ERRORS: ReadonlySet<number> = new Set([EPIPE, ECONNRESET]);
const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

const THREAD = new URL(`thread${extname(import.meta.url)}`, import.meta.url);

/** A thread that sends, and those who wait for it. */
interface Lane {
  readonly worker: Worker;
  readonly wake: number;
  readonly waiting: Map<number, (report: ThreadReport) => void>;
  readonly onExit: () => void;
}

/**
 * Threads that send files by sendfile(2): the bytes go from the page cache to the socket without a copy, and
 * beside the main thread. Started when the first file is sent; they do not keep the process alive.
 */
export class Senders implements FileSender {
  readonly #native: Native;
  readonly #lanes: Lane[] = [];
  readonly #maxLanes: number;
  #lastId = 0;
  #isBroken = false;

  private constructor(native: Native, threads: number) {
    this.#native = native;
    this.#maxLanes = threads;
  }

  /**
   * `undefined` where the system or what is installed cannot do it, or the program runs from its source, which a
   * thread does not start from: files are then read and written.
   */
  static open(threads: number): Senders | undefined {
    const native = THREAD.pathname.endsWith('.js') ? loadNative() : undefined;
    return native && new Senders(native, threads);
  }

  canSend(socket: Socket): boolean {
    return !this.#isBroken && descriptorOf(socket) !== undefined;
  }

  async send(socket: Socket, spans: readonly FileSpan[], signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    const descriptor = descriptorOf(socket);
    // Its own descriptor cannot be somebody else's by the time the thread comes to it.
    const copy = descriptor === undefined ? -1 : this.#native.dup(descriptor);
    if (copy < 0) return 0;
    const report = await this.#order({ spans, socket: copy }, signal);
    signal.throwIfAborted();
    if (report.errno !== undefined && CLIENT_ERRORS.has(report.errno))
      throw new P2PError('CLIENT_GONE', 'the client closed the connection');
    return report.sent;
  }

  /** Ends the threads; what is being sent breaks off. */
  async close(): Promise<void> {
    this.#isBroken = true;
    await Promise.all(this.#lanes.splice(0).map((lane) => this.#end(lane)));
  }

  #order(order: Omit<SendOrder, 'type' | 'id'>, signal: AbortSignal): Promise<ThreadReport> {
    const id = ++this.#lastId;
    const lane = this.#lane();
    return new Promise((resolve) => {
      const cancel = () => this.#tell(lane, { type: 'cancel', id });
      signal.addEventListener('abort', cancel, { once: true });
      lane.waiting.set(id, (report) => {
        signal.removeEventListener('abort', cancel);
        resolve(report);
      });
      this.#tell(lane, { type: 'send', id, ...order });
    });
  }

  /** The one that has the least to do. */
  #lane(): Lane {
    const [idlest] = [...this.#lanes].sort((a, b) => a.waiting.size - b.waiting.size);
    if (idlest !== undefined && (idlest.waiting.size === 0 || this.#lanes.length >= this.#maxLanes))
      return idlest;
    return this.#start();
  }

  #start(): Lane {
    const wake = this.#native.eventfd(0, EFD_NONBLOCK);
    const worker = new Worker(THREAD, { workerData: { wake }, execArgv: [] });
    const lane: Lane = {
      worker,
      wake,
      waiting: new Map(),
      onExit: () => this.#tell(lane, { type: 'end' }),
    };
    worker.on('message', (report: ThreadReport) => {
      const settle = lane.waiting.get(report.id);
      lane.waiting.delete(report.id);
      settle?.(report);
    });
    // Nothing is known of what it was sending, nor who has its descriptors: this ends as a crash does.
    worker.on('error', (error) => {
      throw error;
    });
    worker.unref();
    // A thread that waits in epoll_wait(2) would keep the process from ending.
    process.once('exit', lane.onExit);
    this.#lanes.push(lane);
    return lane;
  }

  #tell({ worker, wake }: Lane, order: ThreadOrder): void {
    worker.postMessage(order);
    this.#native.write(wake, ONE, ONE.length);
  }

  async #end(lane: Lane): Promise<void> {
    const ended = new Promise((resolve) => lane.worker.once('exit', resolve));
    lane.worker.ref();
    this.#tell(lane, { type: 'end' });
    await ended;
    process.off('exit', lane.onExit);
    this.#native.close(lane.wake);
  }
}

/** The descriptor of a plain TCP connection; what TLS sends has to be encrypted first. */
function descriptorOf(socket: Socket): number | undefined {
  // Node's own name for it, not documented; where it is called otherwise, files are read and written.
  const { _handle: handle } = socket as { _handle?: { fd?: number } | null };
  if ('encrypted' in socket || socket.destroyed) return undefined;
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
