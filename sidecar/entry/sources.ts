import type { Source } from '../../functions/blob/upstream.ts';
import { P2PError } from '../../functions/protocol/errors.ts';

/** The sources without those that repeat: for who would rather have no answer than wait for another try. */
export function* eachOnce(sources: Iterable<Source>): Iterable<Source> {
  const seen = new Set<string>();
  for (const source of sources) {
    if (seen.has(source.name)) continue;
    seen.add(source.name);
    yield source;
  }
}

/** The sources, once each, that take an answer of 5xx for a failure, an origin's own included. */
export function* eachWorking(sources: Iterable<Source>): Iterable<Source> {
  for (const source of eachOnce(sources)) {
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
