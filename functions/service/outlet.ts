import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FilePiece } from '../blob/file-piece.ts';
import type { ReplyBody } from '../blob/upstream.ts';
import { P2PError } from '../protocol/errors.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { FileSender } from './file-sender.ts';

/** The body of one reply on its way to a client: pieces in order, at the client's speed, and word when it leaves. */
export class Outlet {
  readonly #response: ServerResponse;
  readonly #upload: Bandwidth | undefined;
  readonly #gone = new AbortController();
  #fail: ((error: unknown) => void) | undefined;

  /** Takes what it sends from `upload`, if given. */
  constructor(response: ServerResponse, upload?: Bandwidth) {
    this.#response = response;
    this.#upload = upload;
    const left = () => {
      if (response.writableFinished) return;
      const error = gone();
      this.#gone.abort(error);
      this.#fail?.(error);
    };
    // A pipelined reply has no socket before its turn, and is told of nothing. In a function there is none at all.
    const socket: Socket | undefined = response.req.socket;
    // As many replies as are pipelined listen to the one connection.
    socket?.setMaxListeners(0).once('close', left);
    response.once('close', () => {
      left();
      socket?.off('close', left);
    });
    if (socket?.destroyed) left();
  }

  /** Aborts when the client goes before its reply is whole. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /**
   * Writes one piece; resolves when the kernel has taken all of it, so that the buffer may be used again.
   *
   * @throws P2PError CLIENT_GONE; the buffer may then still be looked at.
   */
  send(piece: Uint8Array): Promise<void> {
    return this.#upload === undefined ? this.#write(piece) : this.#sendSlices(piece, this.#upload);
  }

  async #sendSlices(piece: Uint8Array, upload: Bandwidth): Promise<void> {
    const { sliceBytes } = upload;
    for (let at = 0; at < piece.length; at += sliceBytes) {
      const slice = piece.subarray(at, at + sliceBytes);
      await upload.take(slice.length, this.#gone.signal);
      await this.#write(slice);
    }
  }

  #write(piece: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#gone.signal.aborted) return reject(this.#gone.signal.reason);
      this.#fail = reject;
      this.#response.write(piece, (cause) => (cause ? reject(gone(cause)) : resolve()));
    });
  }

  /**
   * Sends parts of files; `sent` then says how much of them.
   *
   * @throws P2PError CLIENT_GONE; no file is in use any more then.
   */
  async sendFile(piece: FilePiece, sender: FileSender): Promise<void> {
    // Behind another reply, or where there is no connection, the response only queues; with a trailer it frames.
    const { socket, chunkedEncoding } = this.#response;
    if (socket === null || chunkedEncoding || !sender.canSend(socket)) return;
    this.#response.flushHeaders();
    if (socket.writableLength > 0) await this.#flushed(socket);
    const sliceBytes = this.#upload?.sliceBytes ?? piece.length;
    while (piece.sent < piece.length) {
      const length = Math.min(sliceBytes, piece.length - piece.sent);
      await this.#upload?.take(length, this.#gone.signal);
      const sent = await sender.send(socket, piece.next(length), this.#gone.signal);
      piece.sent += sent;
      if (sent < length) return;
    }
  }

  /** Streams the body of an upstream's reply, as fast as the client takes it. */
  relay(body: Pick<ReplyBody, 'read'>): Promise<void> {
    return body.read((piece) => {
      this.#gone.signal.throwIfAborted();
      if (this.#upload !== undefined) return this.#sendSlices(piece, this.#upload);
      return this.#response.write(piece) ? undefined : this.#drained();
    });
  }

  #flushed(socket: Socket): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      socket.write('', (cause) => (cause ? reject(gone(cause)) : resolve()));
    });
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#response.once('drain', resolve);
    });
  }
}

const gone = (cause?: Error): P2PError =>
  new P2PError('CLIENT_GONE', 'the client closed the connection', { cause });
