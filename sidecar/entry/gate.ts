import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseAddress } from '../../functions/protocol/address.ts';
import type { Rules } from '../../functions/service/rules.ts';
import type { BlobServer } from '../../functions/service/serve-blob.ts';
import { type PassParts, pass } from './pass.ts';

/** What the gate leads to. */
export interface GateParts {
  readonly blobs: BlobServer;
  readonly rules: Rules;
  readonly passing: PassParts;
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
   * Answers one request for an absolute URL, to its end.
   *
   * @throws P2PError ADDRESS_INVALID, RULE_DENIED; what serving or passing throws.
   */
  async handle(request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
    const { blobs, rules, passing, self } = this.#parts;
    const { action, address } = rules.judge(parseAddress(url), request.method ?? 'GET');
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (action === 'accelerate' && isRead) {
      return blobs.serve({ request, response, address, chain: self });
    }
    return pass(passing, address, request, response);
  }
}
