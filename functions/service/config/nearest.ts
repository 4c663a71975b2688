import { distance } from 'fastest-levenshtein';

/** The known word that `word` was most likely meant to be; `undefined` when none is near enough to suggest. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  // Two slips in a short word, one in three letters of a long one: beyond that a suggestion only misleads.
  const tolerance = Math.max(2, Math.floor(word.length / 3));
  const ranked = known
    .map((candidate) => ({ candidate, slips: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.slips - b.slips);
  return ranked[0] !== undefined && ranked[0].slips <= tolerance ? ranked[0].candidate : undefined;
}
