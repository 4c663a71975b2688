import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { redact } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';

/** The connections whose TLS ended here, each with the origin that its client asked for by CONNECT. */
export class Terminated {
  readonly #origins = new WeakMap<Duplex, URL>();

  add(connection: Duplex, origin: URL): void {
    this.#origins.set(connection, origin);
  }

  has(connection: Duplex): boolean {
    return this.#origins.has(connection);
  }

  /**
   * The whole URL that a request inside such a connection is for; `undefined` for a request outside any.
   *
   * @throws P2PError MISDIRECTED when its target or one of its Host headers names another origin than CONNECT did:
   * the client was shown a certificate for that one alone (RFC 9110 §7.4); ADDRESS_INVALID for a target without path.
   */
  urlOf({ socket, headersDistinct, url: target = '' }: IncomingMessage): string | undefined {
    const origin = this.#origins.get(socket)?.origin;
    if (origin === undefined) return undefined;
    const isAbsolute = !target.startsWith('/');
    if (isAbsolute && !URL.canParse(target)) {
      throw new P2PError('ADDRESS_INVALID', `"${redact(target)}" is neither a path nor a URL`);
    }
    const named = (headersDistinct.host ?? []).map((host) => `https://${host}`);
    // Whatever is no host alone, `registry.test/` among it, shows in how the path begins.
    const isOurs = (url: string) => URL.canParse(`${url}/-`) && new URL(`${url}/-`).href === `${origin}/-`;
    const other =
      named.find((url) => !isOurs(url)) ??
      (isAbsolute && new URL(target).origin !== origin ? target : undefined);
    if (other !== undefined) {
      const message = `this connection is to ${origin}; ask for ${redact(other)} by another`;
      throw new P2PError('MISDIRECTED', message);
    }
    return isAbsolute ? target : `${origin}${target}`;
  }
}
