import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Ask } from '../blob/ask.ts';
import { P2PError } from '../protocol/errors.ts';
import { ACCESS_HEADER, AGENT_HEADER, headerValue } from '../protocol/headers.ts';
import { CLOCK_HEADER, ROOT_AUDIENCE, TOKEN_HEADER } from '../protocol/token.ts';
import type { GrantSignatures } from './grant-signature.ts';
import type { NodeTokens } from './node-tokens.ts';

/** What a node tells others of its cluster from strangers by. */
export interface NodeGateParts {
  /** Absent where there is no Secret: then anyone is let in, and believed to be what they say. */
  readonly tokens?: NodeTokens | undefined;
  /** Believed of what nodes show of rights, by agents: roots ask the origin. */
  readonly grants?: GrantSignatures | undefined;
  /** What this node is called in tokens: `audienceOf` its URL, or ROOT_AUDIENCE. */
  readonly audience: string;
  /** Whether a connection was made on this host; never where there is no connection to tell. */
  readonly isOfThisHost: (socket: Socket) => boolean;
}

/** Lets nodes of the cluster in, and clients of this host; tells which is which. */
export class NodeGate {
  readonly #parts: NodeGateParts;
  readonly #audiences: ReadonlySet<string>;

  constructor(parts: NodeGateParts) {
    this.#parts = parts;
    // An agent may be a root to others: they tell no difference.
    this.#audiences = new Set([parts.audience, ROOT_AUDIENCE]);
  }

  /**
   * The node that asks, as others know it; `undefined` for a client. It is proven where there is a Secret, and what
   * the one who asks says of itself where there is none.
   *
   * @throws P2PError TOKEN_REFUSED for a stranger, and for whoever shows a token that is worth nothing.
   */
  nodeOf({ headers, method, socket }: IncomingMessage): string | undefined {
    const { tokens, audience, isOfThisHost } = this.#parts;
    if (tokens === undefined) return headerValue(headers, AGENT_HEADER)?.trim().split(/[ ,]+/).at(-1);
    const token = headerValue(headers, TOKEN_HEADER);
    if (token !== undefined) {
      const use = method === 'GET' || method === 'HEAD' ? 'read' : 'write';
      const verdict = tokens.verify(token, this.#audiences, use);
      if ('issuer' in verdict) return verdict.issuer;
      throw refused(`${verdict.fault}; this node is ${audience}`, verdict.clock);
    }
    // Where something forwards to this port, it is not the connection that tells who asks.
    const isForwarded = 'x-forwarded-for' in headers || 'forwarded' in headers;
    if (!isForwarded && isOfThisHost(socket)) return undefined;
    throw refused('this port is for nodes that share its Secret, and for clients on its own host');
  }

  /** What a node says of the right that it asks by: believed of none without a Secret. */
  shownBy({ headers }: IncomingMessage, issuer: string | undefined): Ask['shown'] {
    const { grants, audience } = this.#parts;
    const signed = headerValue(headers, ACCESS_HEADER);
    if (grants === undefined || issuer === undefined || signed === undefined) return undefined;
    return (right) => grants.verify(signed, right, { issuer, audience });
  }
}

/** True for a connection over loopback, or from an address of this host to itself. */
export function isOfThisHost({ remoteAddress, localAddress }: Socket): boolean {
  if (remoteAddress === undefined) return false;
  return remoteAddress === localAddress || ipaddr.process(remoteAddress).range() === 'loopback';
}

const refused = (why: string, clock?: string): P2PError =>
  new P2PError('TOKEN_REFUSED', why, {
    headers: { 'www-authenticate': 'P2P-Token', ...(clock !== undefined && { [CLOCK_HEADER]: clock }) },
  });
