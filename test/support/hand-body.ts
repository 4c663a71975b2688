import type { ReplyBody } from '../../functions/blob/upstream.ts';

/** A body whose pieces, and whose end, come when a test says so. */
export function handBody(signal?: AbortSignal) {
  let sink: (piece: Uint8Array) => void | Promise<void> = () => {};
  let end: (error?: unknown) => void = () => {};
  const seen = { discarded: 0, aborted: 0 };
  const body: ReplyBody = {
    read: (reader) =>
      new Promise((resolve, reject) => {
        sink = reader;
        end = (error) => (error === undefined ? resolve() : reject(error));
        signal?.addEventListener('abort', () => {
          seen.aborted += 1;
          reject(signal.reason);
        });
      }),
    discard: () => {
      seen.discarded += 1;
    },
  };
  return {
    body,
    seen,
    send: (bytes: number) => sink(new Uint8Array(bytes)),
    end: (error?: unknown) => end(error),
  };
}
