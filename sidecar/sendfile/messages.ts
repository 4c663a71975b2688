import type { FileSpan } from '../../functions/blob/file-piece.ts';

/** Bytes of files to be sent, one behind the other; the socket's descriptor is the thread's to close. */
export interface SendOrder {
  readonly type: 'send';
  readonly id: number;
  readonly socket: number;
  readonly spans: readonly FileSpan[];
}

/** The client has left: nothing more of that order is sent. */
export interface CancelOrder {
  readonly type: 'cancel';
  readonly id: number;
}

/** What a thread is told. */
export type ThreadOrder = SendOrder | CancelOrder | { readonly type: 'end' };

/** What became of an order; its descriptors are no longer in use. */
export interface ThreadReport {
  readonly id: number;
  /** Bytes that the kernel has taken, of all files. */
  readonly sent: number;
  /** Why it was not all of them: a number of errno(3), 0 for a file that ended; absent when it was, or cancelled. */
  readonly errno?: number;
}
