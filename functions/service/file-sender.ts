import type { Socket } from 'node:net';
import type { FileSpan } from '../blob/file-piece.ts';

/** The port behind which files are sent without being read. */
export interface FileSender {
  /** True for a connection that `send` can send to; that of a TLS client is none. */
  canSend(socket: Socket): boolean;
  /**
   * Sends parts of files in their order, after everything written before has been given to the kernel, and with
   * nothing else written meanwhile. Resolves to the bytes sent: fewer than asked when the rest has to be sent in
   * another way. Once it settles no descriptor is in use any more.
   *
   * @throws P2PError CLIENT_GONE; the reason of `signal` when that aborts.
   */
  send(socket: Socket, spans: readonly FileSpan[], signal: AbortSignal): Promise<number>;
}
