import type { Source } from '../../functions/blob/upstream.ts';

/** The sources without those that repeat: for who would rather have no answer than wait for another try. */
export function* eachOnce(sources: Iterable<Source>): Iterable<Source> {
  const seen = new Set<string>();
  for (const source of sources) {
    if (seen.has(source.name)) continue;
    seen.add(source.name);
    yield source;
  }
}
