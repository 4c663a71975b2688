import { P2PError } from '../protocol/errors.ts';
import { AGENT_HEADER } from '../protocol/headers.ts';
import type { BlobRequest } from './blob-request.ts';

/**
 * What a platform lets one reply be. Of a larger one no part is sent: clients as common as curl and wget take a 206
 * that is shorter than what they asked for as all of it.
 */
export class ReplyLimit {
  readonly #maxBytes: number;
  readonly #asked: Pick<BlobRequest, 'request' | 'address'>;

  constructor(maxBytes: number, asked: Pick<BlobRequest, 'request' | 'address'>) {
    this.#maxBytes = maxBytes;
    this.#asked = asked;
  }

  /**
   * Lets a body go by that fits. For a larger one a client is shown to where all of it is: the origin that it has
   * named itself, and that is on the list, or nothing would be known here of what it has. A node of ours is told, for
   * it has others to ask.
   *
   * @throws P2PError REPLY_TOO_LARGE.
   */
  check(bytes: number): void {
    if (bytes <= this.#maxBytes) return;
    const { request, address } = this.#asked;
    const isNode = AGENT_HEADER in request.headers;
    const remedy = isNode ? 'ask for less at a time' : 'have it from the origin, or through an agent';
    const message = `${bytes} bytes do not fit this function's reply of ${this.#maxBytes}; ${remedy}`;
    throw new P2PError('REPLY_TOO_LARGE', message, isNode ? {} : redirection(address.url));
  }
}

// What fits is answered here all the same: the next request for the same URL may be for less.
const redirection = (location: string) => ({
  status: 307,
  headers: { Location: location, 'Cache-Control': 'no-store' },
});
