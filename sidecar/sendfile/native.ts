import { createRequire } from 'node:module';
import process from 'node:process';

/** The calls of Linux that send files, which Node has none for. Each returns -1 when it fails, and `errno` then says why. */
export interface Native {
  /** Sends `count` bytes of a file from `offset[0]` on, fewer when the socket takes no more, and moves that on. */
  sendfile(socket: number, file: number, offset: BigInt64Array, count: number): number;
  dup(fd: number): number;
  close(fd: number): number;
  eventfd(start: number, flags: number): number;
  epollCreate(flags: number): number;
  epollControl(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  epollWait(epoll: number, events: Uint8Array, max: number, timeoutMs: number): number;
  read(fd: number, into: Uint8Array, count: number): number;
  write(fd: number, bytes: Uint8Array, count: number): number;
  errno(): number;
}

// struct epoll_event has no padding on x86-64 alone; the other 64-bit systems have four bytes of it.
const SUPPORTED: ReadonlySet<string> = new Set(['linux-x64', 'linux-arm64']);

type Koffi = typeof import('koffi');

/**
 * Calls of the C library by way of koffi, an optional dependency; `undefined` on other systems, where koffi is not
 * installed or does not run, and where the library lacks one of the calls.
 */
export function loadCalls<T>(declare: (libc: ReturnType<Koffi['load']>, koffi: Koffi) => T): T | undefined {
  if (!SUPPORTED.has(`${process.platform}-${process.arch}`)) return undefined;
  try {
    const koffi: Koffi = createRequire(import.meta.url)('koffi');
    return declare(koffi.load(null), koffi);
  } catch {
    return undefined;
  }
}

/** See `loadCalls`. */
export const loadNative = (): Native | undefined =>
  loadCalls((libc, koffi) => ({
    sendfile: libc.func('int64_t sendfile(int socket, int file, int64_t *offset, size_t count)'),
    dup: libc.func('int dup(int fd)'),
    close: libc.func('int close(int fd)'),
    eventfd: libc.func('int eventfd(uint start, int flags)'),
    epollCreate: libc.func('int epoll_create1(int flags)'),
    epollControl: libc.func('int epoll_ctl(int epoll, int operation, int fd, void *event)'),
    epollWait: libc.func('int epoll_wait(int epoll, void *events, int max, int timeout)'),
    read: libc.func('int64_t read(int fd, void *into, size_t count)'),
    write: libc.func('int64_t write(int fd, void *bytes, size_t count)'),
    errno: () => koffi.errno(),
  }));
