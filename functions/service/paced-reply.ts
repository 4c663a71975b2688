import type { Reply } from '../blob/upstream.ts';
import type { Bandwidth } from './bandwidth.ts';

/**
 * A reply whose body is read no faster than the bandwidth has room for; TCP then holds the sender back. What has come
 * is paid for before more is read, whoever it is from.
 */
export function pacedReply(reply: Reply, bandwidth: Bandwidth, signal: AbortSignal): Reply {
  const { body } = reply;
  return {
    ...reply,
    body: {
      read: (sink) =>
        body.read((piece) => {
          const { length } = piece;
          const pending = sink(piece);
          return pending === undefined
            ? bandwidth.take(length, signal)
            : pending.then(() => bandwidth.take(length, signal));
        }),
      // Nothing is read in place: that could not be held back.
      discard: () => body.discard(),
    },
  };
}
