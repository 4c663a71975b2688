import pLimit from 'p-limit';
import { chunkSpan, countChunks } from '../../functions/blob/chunk.ts';
import { redact } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { BLOB_HEADER, headerValue, PROXY_NAME } from '../../functions/protocol/headers.ts';
import { formatRange } from '../../functions/protocol/range.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';

/** What having agents fetch takes. */
export interface AgentPullParts {
  readonly http: Pick<HttpClient, 'request'>;
  readonly apiKey: string;
  /** What shows an agent that it may trust us, and an origin that we may read; lower-case. */
  readonly headersFor: (url: string) => Promise<Readonly<Record<string, string>>>;
  /** Told of each chunk that an agent has. */
  readonly progressed: (bytes: number) => void;
}

/** A blob that an agent is to have. */
export interface PulledBlob {
  readonly url: string;
  readonly size: number;
}

// What a client that pulls an image opens.
const AT_ONCE = 4;

/**
 * Has an agent fetch blobs by asking it for the last byte of each chunk: it has the whole chunk when it can give that,
 * and nothing else need go over the network twice.
 *
 * @throws P2PError UPSTREAM_REFUSED with what the agent says; what reaching it fails with.
 */
export async function pullInto(
  agent: string,
  blobs: readonly PulledBlob[],
  parts: AgentPullParts,
  signal: AbortSignal,
): Promise<void> {
  const limit = pLimit(AT_ONCE);
  for (const blob of blobs) {
    if (blob.size === 0) continue;
    // The first byte tells how large the agent's own chunks are.
    const chunkBytes = await askByte(agent, blob, 0, parts, signal);
    const pull = async (index: number) => {
      const { start, end } = chunkSpan(index, chunkBytes, blob.size);
      await askByte(agent, blob, end - 1, parts, signal);
      parts.progressed(end - start);
    };
    const chunks = countChunks(blob.size, chunkBytes);
    await Promise.all(Array.from({ length: chunks }, (_, index) => limit(() => pull(index))));
  }
}

async function askByte(
  agent: string,
  { url, size }: PulledBlob,
  at: number,
  { http, apiKey, headersFor }: AgentPullParts,
  signal: AbortSignal,
): Promise<number> {
  const headers = {
    ...(await headersFor(url)),
    'user-agent': PROXY_NAME,
    range: formatRange({ start: at, end: at + 1 }),
  };
  const asked = { url: `${agent}/${apiKey}/${url}`, method: 'GET', headers };
  const reply = await http.request(asked, signal);
  reply.body.discard();
  if (reply.status !== 206 && !(reply.status === 200 && size === 1)) {
    throw new P2PError('UPSTREAM_REFUSED', `the agent ${agent} answers ${reply.status} for ${redact(url)}`);
  }
  const chunk = /(?:^|; )chunk=(\d+)/.exec(headerValue(reply.headers, BLOB_HEADER) ?? '')?.[1];
  if (chunk !== undefined) return Number(chunk);
  throw new P2PError('UPSTREAM_REFUSED', `${agent} does not keep ${redact(url)}: is it an agent?`);
}
