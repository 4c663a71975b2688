import { hasCode, P2PError } from '../protocol/errors.ts';
import type { Ask } from './ask.ts';
import type { Chunk } from './chunk.ts';
import { isElsewhere } from './fill-failure.ts';
import type { Flight } from './flight.ts';

// As many different askers of one chunk are tried with when the origin refuses one.
const MAX_ASKERS = 16;

/** Notes for whom a flight is, unless somebody is on it for whom as much can be done. */
export function board({ askers }: Flight, ask: Ask): void {
  const isOn = askers.some(
    (other) => isAs(ask, other) && !mayReachMore(ask, other) && !(other.onlyCached && !ask.onlyCached),
  );
  if (!isOn && askers.length < MAX_ASKERS) askers.push(ask);
}

/** Whether what has failed everywhere for the one may succeed for the other: nodes do not ask all they know for each other. */
export const mayReachMore = (ask: Ask, than: Ask): boolean =>
  than.isPassedOn === true && ask.isPassedOn !== true;

/**
 * Fills a flight as the first of its askers; where the origin refuses one, as the next, and where all fail whom a node
 * asks for another, as a client. Those who read it each have the right to: what one is refused in the middle, an
 * expired token, is no reason for the others to fail.
 *
 * @throws P2PError what `fill` fails with; REFUSED_TO_OTHERS when it has failed for several, for each by its own.
 */
export async function fillInTurn(
  { askers }: Flight,
  fill: (ask: Ask, isFirst: boolean) => Promise<Chunk>,
  refused: (ask: Ask, error: P2PError) => void,
): Promise<Chunk> {
  for (let at = 0; ; ) {
    const ask = askers[at] as Ask;
    try {
      return await fill(ask, at === 0);
    } catch (error) {
      if (hasCode(error, 'UPSTREAM_REFUSED')) refused(ask, error);
      const next = askers.findIndex((other, place) => place > at && mayStillFill(other, ask, error));
      if (next !== -1) at = next;
      else if (at > 0 && isOwn(error)) {
        throw new P2PError('REFUSED_TO_OTHERS', `it was refused to all ${at + 1} who asked together`);
      } else throw error;
    }
  }
}

/** Whether what has failed for one is worth a try for another. */
function mayStillFill(other: Ask, ask: Ask, error: unknown): boolean {
  if (isOwn(error)) return !isAs(other, ask) || (ask.onlyCached === true && !other.onlyCached);
  // By what is wrong the facts are judged, as they were known when the first one asked.
  const isWrong = hasCode(error, 'UPSTREAM_MISMATCHED') || hasCode(error, 'CHUNK_CORRUPT');
  return !isWrong && isElsewhere(error) && mayReachMore(other, ask);
}

/** True for what has failed for the one asker alone; who brings no credential is as little a reason for the others to fail. */
const isOwn = (error: unknown): boolean => hasCode(error, 'UPSTREAM_REFUSED') || hasCode(error, 'NOT_CACHED');

const isAs = (ask: Ask, other: Ask): boolean =>
  ask.credential === other.credential && ask.address.identity === other.address.identity;
