import type { Reply } from '../blob/upstream.ts';
import { P2PError } from '../protocol/errors.ts';

/**
 * The body of a reply as text.
 *
 * @throws P2PError UPSTREAM_MISMATCHED when it is longer than `maxBytes`; what reading it fails with.
 */
export async function replyText({ body }: Reply, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  await body.read((piece) => {
    size += piece.length;
    if (size > maxBytes) throw new P2PError('UPSTREAM_MISMATCHED', `a reply of more than ${maxBytes} bytes`);
    pieces.push(Buffer.from(piece));
  });
  return Buffer.concat(pieces).toString();
}
