import { P2PError } from '../protocol/errors.ts';

/** Resolves when it is called. @throws P2PError CLIENT_GONE on abort, having left the line. */
export function waitInLine(line: (() => void)[], what: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = () => {
      signal.removeEventListener('abort', leave);
      resolve();
    };
    const leave = () => {
      const at = line.indexOf(call);
      if (at !== -1) line.splice(at, 1);
      reject(new P2PError('CLIENT_GONE', `${what} was aborted in line`));
    };
    line.push(call);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
  });
}
