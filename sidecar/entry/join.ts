import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * A side that is cut off without a word would hold its tunnel for ever: after this long without traffic the kernel
 * asks whether it is still there.
 */
export const KEEP_ALIVE_MS = 60_000;
// Once one side has said that it is done nothing may tell of its end any more: the other has this long to say more.
const HALF_CLOSED_MS = 10 * 60_000;

/** Lets bytes flow both ways until both sides have ended, or one has broken. */
export async function join(client: Duplex, upstream: Duplex): Promise<void> {
  if (client instanceof Socket) client.setKeepAlive(true, KEEP_ALIVE_MS);
  for (const [side, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    // What breaks on one side must not look like a proper end on the other.
    side.once('error', () => reset(other));
    side.once('end', () => {
      if (other instanceof Socket) other.setTimeout(HALF_CLOSED_MS, () => other.destroy());
    });
  }
  await Promise.all([pipeline(client, upstream), pipeline(upstream, client)]);
}

/** TLS has no reset, and no need of one: its proper end is a message of its own. */
function reset(stream: Duplex): void {
  if (stream instanceof Socket && !('encrypted' in stream)) stream.resetAndDestroy();
  else stream.destroy();
}
