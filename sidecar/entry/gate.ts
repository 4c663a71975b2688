import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseAddress } from '../../functions/protocol/address.ts';
import type { Rules } from '../../functions/service/rules.ts';
import type { BlobServer } from '../../functions/service/serve-blob.ts';
import { isUpgrade } from './header-lines.ts';
import type { P2PPort } from './p2p-port.ts';
import { type Front, type PassParts, pass } from './pass.ts';

/** What the gate leads to. */
export interface GateParts {
  readonly blobs: BlobServer;
  readonly rules: Rules;
  readonly passing: PassParts;
  /** Where those under a rule are redirected to; absent: they are served here. */
  readonly redirectTo?: P2PPort | undefined;
  /** This agent's address in X-P2P-Agent chains. */
  readonly self: string;
}

/**
 * Where every way in of a client leads once it is known which URL is asked for: the rules say whether the request is
 * accelerated, passed on or denied.
 */
export class Gate {
  readonly #parts: GateParts;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /**
   * Answers one request for an absolute URL, to its end. `front` is what stands between the origin and a client that
   * knows it by another name.
   *
   * @throws P2PError ADDRESS_INVALID, RULE_DENIED; what serving or passing throws.
   */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    url: string,
    front?: Front,
  ): Promise<void> {
    const { blobs, rules, passing, redirectTo, self } = this.#parts;
    const redirected = redirectTo?.urlIn(request, url);
    const { action, address } = rules.judge(parseAddress(redirected ?? url), request.method ?? 'GET');
    const isRead = (request.method === 'GET' || request.method === 'HEAD') && !isUpgrade(request);
    if (!isRead || (action !== 'accelerate' && redirected === undefined)) {
      return pass(passing, address, request, response, front);
    }
    if (redirectTo === undefined || redirected !== undefined || hasCredentials(request)) {
      return blobs.serve({ request, response, address, chain: self });
    }
    const location = redirectTo.locationOf(request, address.url);
    response.writeHead(307, { location, 'content-length': 0, 'cache-control': 'no-store' }).end();
  }
}

/** Clients that are redirected to another host leave their credentials behind, and the origin would refuse them. */
const hasCredentials = ({ headers }: IncomingMessage): boolean =>
  headers.authorization !== undefined || headers.cookie !== undefined;
