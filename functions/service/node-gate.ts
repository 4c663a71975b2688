import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import ipaddr from 'ipaddr.js';
import { P2PError } from '../protocol/errors.ts';
import { AGENT_HEADER, headerValue } from '../protocol/headers.ts';
import { TOKEN_HEADER } from '../protocol/token.ts';
import type { NodeTokens } from './node-tokens.ts';

/** What a node tells others of its cluster from strangers by. */
export interface NodeGateParts {
  /** Absent where there is no Secret: then anyone is let in, and believed to be what they say. */
  readonly tokens?: NodeTokens | undefined;
  /** Whom tokens may be meant for: this node. */
  readonly audiences: ReadonlySet<string>;
  /** Whether a connection was made on this host; never where there is no connection to tell. */
  readonly isOfThisHost: (socket: Socket) => boolean;
}

/** Lets nodes of the cluster in, and clients of this host; tells which is which. */
export class NodeGate {
  readonly #parts: NodeGateParts;

  constructor(parts: NodeGateParts) {
    this.#parts = parts;
  }

  /**
   * The node that asks, as others know it; `undefined` for a client. It is proven where there is a Secret, and what
   * the one who asks says of itself where there is none.
   *
   * @throws P2PError TOKEN_REFUSED for a stranger, and for whoever shows a token that is worth nothing.
   */
  nodeOf({ headers, method, socket }: IncomingMessage): string | undefined {
    const { tokens, audiences, isOfThisHost } = this.#parts;
    if (tokens === undefined) return headerValue(headers, AGENT_HEADER)?.trim().split(/[ ,]+/).at(-1);
    const token = headerValue(headers, TOKEN_HEADER);
    if (token !== undefined) {
      const use = method === 'GET' || method === 'HEAD' ? 'read' : 'write';
      const verdict = tokens.verify(token, audiences, use);
      if ('issuer' in verdict) return verdict.issuer;
      throw refused(`${verdict.fault}; this node is ${[...audiences].join(', ')}`);
    }
    // Where something forwards to this port, it is not the connection that tells who asks.
    const isForwarded = 'x-forwarded-for' in headers || 'forwarded' in headers;
    if (!isForwarded && isOfThisHost(socket)) return undefined;
    throw refused('this port is for nodes that share its Secret, and for clients on its own host');
  }
}

/** True for a connection over loopback, or from an address of this host to itself. */
export function isOfThisHost({ remoteAddress, localAddress }: Socket): boolean {
  if (remoteAddress === undefined) return false;
  return remoteAddress === localAddress || ipaddr.process(remoteAddress).range() === 'loopback';
}

const refused = (why: string): P2PError =>
  new P2PError('TOKEN_REFUSED', why, { headers: { 'www-authenticate': 'P2P-Token' } });
