import type { Reply } from '../../functions/blob/upstream.ts';
import { type HeaderLines, P2PError } from '../../functions/protocol/errors.ts';
import {
  AGENT_HEADER,
  BLOB_HEADER,
  HOPS_HEADER,
  headerValue,
  SOURCE_HEADER,
} from '../../functions/protocol/headers.ts';
import { MAX_REDIRECTS } from '../../functions/service/fan-out.ts';

/** The headers that a root of DadiP2P (Go) has from its origin: it dates whatever it serves "now", which is no version. */
export function withoutInvented(headers: HeaderLines): HeaderLines {
  const isOfDadiP2P = SOURCE_HEADER in headers && !(BLOB_HEADER in headers);
  if (!isOfDadiP2P) return headers;
  const { 'last-modified': _, ...others } = headers;
  return others;
}

/**
 * Whether a reply sends an agent on to ask another node for the same, `/<APIKey>/<origin URL>`, as a root of DadiP2P
 * does once it has two children.
 */
export const isReferral = ({ status, headers }: Reply, asked: string): boolean =>
  status === 307 && (headerValue(headers, 'location') ?? '').includes(asked);

/**
 * What a root is asked with that has sent us on: as a client, which it serves itself. Where it wanted to send us is
 * whatever somebody wrote into an X-P2P-Agent.
 *
 * @throws P2PError UPSTREAM_FAILED for a request that came from other nodes: without the chain a circle would not show.
 */
export function asClient({ [AGENT_HEADER]: chain, ...headers }: HeaderLines): HeaderLines {
  if (String(chain ?? '').includes(' '))
    throw new P2PError('UPSTREAM_FAILED', 'the root sends us on, to nodes that nobody vouches for');
  // An agent of ours in a root's place sends nobody on who was sent on so often.
  return { ...headers, [HOPS_HEADER]: String(MAX_REDIRECTS) };
}
