import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { ReplyBody } from '../blob/upstream.ts';
import { P2PError } from '../protocol/errors.ts';

/** A signal that aborts when the client goes before its reply is whole. */
export function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished)
      gone.abort(new P2PError('CLIENT_GONE', 'the client closed the connection'));
  });
  return gone.signal;
}

/** Writes one piece; resolves when the client's socket wants more. The piece must not change afterwards. */
export async function send(response: ServerResponse, piece: Uint8Array, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!response.write(piece)) await once(response, 'drain', { signal });
}

/** Streams the body of an upstream's reply to the client, as fast as the client takes it, and ends the reply. */
export async function relayBody(
  response: ServerResponse,
  body: ReplyBody,
  signal: AbortSignal,
): Promise<void> {
  await body.read((piece) => {
    signal.throwIfAborted();
    return response.write(piece) ? undefined : once(response, 'drain', { signal }).then(() => undefined);
  });
  response.end();
}
