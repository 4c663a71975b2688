import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { P2PError } from '../protocol/errors.ts';

/** Lets a request of the API in, or throws what it is answered with. */
export type Authorize = (ctx: Context) => void | Promise<void>;

/** For a port that only this machine reaches. */
export const admitAll: Authorize = () => {};

/**
 * Lets those in who send one of the tokens as `Authorization: Bearer`. How long it takes does not tell how much of a
 * token was right, nor which.
 *
 * @throws P2PError API_CLOSED where there is no token, API_UNAUTHORIZED for any other than these.
 */
export function requireToken(tokens: readonly string[]): Authorize {
  const known = tokens.map(hash);
  return function requireToken(ctx) {
    if (known.length === 0) {
      throw new P2PError(
        'API_CLOSED',
        'this node has no token for its API: set Admin.Tokens, or DADIP2P_Admin__Tokens, to ["what `openssl rand -hex 32` prints"]',
      );
    }
    const [, sent] = /^Bearer +([^\s]+) *$/i.exec(ctx.req.headers.authorization ?? '') ?? [];
    const given = hash(sent ?? '');
    // All of them, whichever fits.
    const fits = known.filter((token) => timingSafeEqual(token, given)).length;
    if (sent !== undefined && fits > 0) return;
    throw new P2PError(
      'API_UNAUTHORIZED',
      `${sent === undefined ? 'no token was sent' : 'the token is not one of this node'}: send "Authorization: Bearer TOKEN" with one of Admin.Tokens`,
      { headers: { 'www-authenticate': 'Bearer realm="dadip2p"' } },
    );
  };
}

/** Equally long for all, so that they can be compared. */
const hash = (token: string): Buffer => createHash('sha256').update(token).digest();
