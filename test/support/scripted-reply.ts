import type { Reply } from '../../functions/blob/upstream.ts';
import type { HeaderLines } from '../../functions/protocol/errors.ts';

/** A reply whose body comes when the test says so. */
export interface ScriptedReply {
  readonly reply: Reply;
  /** True once the reader gave the body up. */
  readonly discarded: boolean;
  /** Hands a piece over; resolves when the reader is ready for the next. */
  push(piece: Uint8Array): Promise<void>;
  end(error?: Error): void;
}

export function scriptedReply(status = 200, headers: HeaderLines = {}): ScriptedReply {
  let sink: ((piece: Uint8Array) => void | Promise<void>) | undefined;
  let settle: (error?: Error) => void = () => {};
  let discarded = false;
  const ended = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  ended.catch(() => {});
  return {
    reply: {
      status,
      headers,
      body: {
        read(taking) {
          sink = taking;
          return ended;
        },
        discard() {
          discarded = true;
          settle(new Error('discarded'));
        },
      },
    },
    get discarded() {
      return discarded;
    },
    async push(piece) {
      // Valid only until the sink is done with it, as the port says: what keeps it would show.
      const lent = Uint8Array.from(piece);
      await sink?.(lent);
      lent.fill(0);
    },
    end: (error) => settle(error),
  };
}
