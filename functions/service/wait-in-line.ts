import { P2PError } from '../protocol/errors.ts';

/** Somebody who waits, and what whoever calls them goes by. */
export type InLine<P = unknown> = P & { readonly call: () => void };

/** Resolves when it is called. @throws P2PError CLIENT_GONE on abort, having left the line. */
export function waitInLine<P extends object>(
  line: InLine<P>[],
  place: P,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const own: InLine<P> = {
      ...place,
      call() {
        signal.removeEventListener('abort', leave);
        resolve();
      },
    };
    const leave = () => {
      const at = line.indexOf(own);
      if (at !== -1) line.splice(at, 1);
      reject(new P2PError('CLIENT_GONE', `${what} was aborted in line`));
    };
    line.push(own);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
  });
}
