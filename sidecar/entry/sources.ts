import type { Reply, Source, UpstreamQuery } from '../../functions/blob/upstream.ts';
import { P2PError } from '../../functions/protocol/errors.ts';

/**
 * The sources without those that repeat, all of them together with so much time until the head of a reply: for who has
 * something at hand if there is none.
 */
export function* eachOnce(sources: Iterable<Source>, patienceMs: number): Iterable<Source> {
  const untilMs = performance.now() + patienceMs;
  const seen = new Set<string>();
  for (const source of sources) {
    if (seen.has(source.name)) continue;
    seen.add(source.name);
    yield {
      ...source,
      open: (query, signal) => openWithin(untilMs - performance.now(), source, query, signal),
    };
  }
}

/** The same, of which none takes an answer of 5xx for one, not even of the origin. */
export function* eachWorking(sources: Iterable<Source>, patienceMs: number): Iterable<Source> {
  for (const source of eachOnce(sources, patienceMs)) {
    yield {
      ...source,
      async open(query, signal) {
        const reply = await source.open(query, signal);
        if (reply.status < 500) return reply;
        reply.body.discard();
        throw new P2PError('UPSTREAM_FAILED', `${source.name} answered ${reply.status}`);
      },
    };
  }
}

async function openWithin(
  ms: number,
  source: Source,
  query: UpstreamQuery,
  signal: AbortSignal,
): Promise<Reply> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ms);
  try {
    return await source.open(query, AbortSignal.any([signal, late.signal]));
  } catch (cause) {
    if (!late.signal.aborted || signal.aborted) throw cause;
    throw new P2PError('UPSTREAM_TIMEOUT', `${source.name} gave no answer in time`, { cause });
  } finally {
    clearTimeout(timer);
  }
}
