import type { ReplyBody } from '../blob/upstream.ts';
import { P2PError } from '../protocol/errors.ts';

/**
 * A reply's body as text.
 *
 * @throws P2PError UPSTREAM_MISMATCHED when it is longer than `maxBytes`; what reading it fails with.
 */
export async function readText(body: ReplyBody, maxBytes: number, source: string): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  await body.read((piece) => {
    bytes += piece.length;
    if (bytes > maxBytes)
      throw new P2PError('UPSTREAM_MISMATCHED', `${source} sends more than ${maxBytes} bytes`);
    // A piece is valid only until this returns.
    pieces.push(Buffer.from(piece));
  });
  return Buffer.concat(pieces).toString();
}
