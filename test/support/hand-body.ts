import type { ReplyBody } from '../../functions/blob/upstream.ts';

/** A body whose pieces, and whose end, come when a test says so. */
export function handBody() {
  let sink: (piece: Uint8Array) => void | Promise<void> = () => {};
  let isRead = false;
  let end: (error?: unknown) => void = () => {};
  const body: ReplyBody = {
    read: (reader) =>
      new Promise((resolve, reject) => {
        isRead = true;
        sink = reader;
        end = (error) => (error === undefined ? resolve() : reject(error));
      }),
    discard: () => {},
  };
  return {
    body,
    isRead: () => isRead,
    send: (bytes: number | Uint8Array) => sink(typeof bytes === 'number' ? new Uint8Array(bytes) : bytes),
    end: (error?: unknown) => end(error),
  };
}
