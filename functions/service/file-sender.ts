import type { Socket } from 'node:net';

/** A part of an open file. */
export interface FileSpan {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
}

/** The port behind which files are sent without being read. */
export interface FileSender {
  /** True for a connection that `send` can send to; that of a TLS client is none. */
  canSend(socket: Socket): boolean;
  /**
   * Sends a part of a file, after everything written before has been given to the kernel, and with nothing else
   * written meanwhile. Resolves to the bytes sent: fewer than asked when the rest has to be sent in another way.
   * Once it settles neither descriptor is in use any more.
   *
   * @throws P2PError CLIENT_GONE; the reason of `signal` when that aborts.
   */
  send(socket: Socket, span: FileSpan, signal: AbortSignal): Promise<number>;
}
