import type { Address } from '../../protocol/address.ts';
import { type HeaderLines, hasCode } from '../../protocol/errors.ts';
import { type Grant, parseGrant } from '../../protocol/grant.ts';
import { ACCESS_HEADER, headerValue } from '../../protocol/headers.ts';
import { formatRange } from '../../protocol/range.ts';
import { type Answer, readAnswer } from '../answer.ts';
import type { Ask } from '../ask.ts';
import { firstSuccess } from '../attempt.ts';
import type { ReaderEvents } from '../events.ts';
import { blobKey } from '../identity.ts';
import type { Source, Upstream } from '../upstream.ts';

/** What an upstream answered to the question whether somebody may read something. */
export interface Permission {
  /** Names the version that was shown, by size and validators; `undefined` when nothing tells. */
  readonly key: string | undefined;
  /** Bytes. */
  readonly size: number | undefined;
  /** What another node of ours says of the right. */
  readonly said: Grant | undefined;
}

/** What asking takes. */
export interface CheckParts {
  readonly upstream: Upstream;
  readonly events: ReaderEvents;
  readonly now: () => number;
}

/**
 * Asks an upstream whether somebody may read something, with their own credential and for next to nothing.
 *
 * @throws P2PError UPSTREAM_REFUSED with the origin's whole answer; what the upstreams failed with.
 */
export function checkRight(ask: Ask, parts: CheckParts, signal: AbortSignal): Promise<Permission> {
  return firstSuccess(
    parts.upstream.sources(ask.address),
    async (source) => {
      // HEAD costs no byte, and registries do not count it as a pull. But a URL is signed for GET, and what a registry
      // redirects to may be; and a refusal of HEAD has no body that explains it. So a refusal has to be GET's.
      const byHead = ask.address.signed
        ? undefined
        : await question('HEAD', ask, source, signal).catch(ignoreRefusal);
      return permissionOf(byHead ?? (await question('GET', ask, source, signal)), ask.address, parts.now());
    },
    (source, error) => {
      const { name } = source;
      parts.events.failed('upstream_failed', { source: name, code: error.code, error: error.message });
    },
  );
}

interface Seen {
  readonly headers: HeaderLines;
  readonly answer: Answer;
}

async function question(
  method: 'GET' | 'HEAD',
  { address, headers }: Ask,
  source: Source,
  signal: AbortSignal,
): Promise<Seen> {
  const range = method === 'GET' ? { range: formatRange({ start: 0, end: 1 }) } : {};
  const sent = { ...headers, ...range, 'accept-encoding': 'identity' };
  const reply = await source.open({ address, method, headers: sent }, signal);
  const answer = await readAnswer(reply, source);
  if (answer.kind === 'part' || answer.kind === 'whole') reply.body.discard();
  return { headers: reply.headers, answer };
}

function permissionOf({ headers, answer }: Seen, address: Address, nowMs: number): Permission {
  const size = sizeOf(answer);
  const validators = [headerValue(headers, 'etag'), headerValue(headers, 'last-modified')] as const;
  return {
    key: size === undefined ? undefined : blobKey(address, size, ...validators),
    size,
    said: parseGrant(headerValue(headers, ACCESS_HEADER), nowMs),
  };
}

/** Of nothing there is no first byte, so it is what has none. */
function sizeOf(answer: Answer): number | undefined {
  if (answer.kind === 'part' || answer.kind === 'whole') return answer.size;
  return answer.kind === 'beyond' ? 0 : undefined;
}

function ignoreRefusal(error: unknown): undefined {
  if (!hasCode(error, 'UPSTREAM_REFUSED')) throw error;
}
