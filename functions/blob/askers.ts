import { hasCode, P2PError } from '../protocol/errors.ts';
import type { Ask } from './ask.ts';
import type { Chunk } from './chunk.ts';
import { isElsewhere } from './fill-failure.ts';
import type { Flight } from './flight.ts';

// As many different askers of one chunk are tried with when the origin refuses one.
const MAX_ASKERS = 16;

/** Notes for whom a flight is, unless somebody is on it for whom no more could be done. */
export function board({ askers }: Flight, ask: Ask): void {
  const { credential, address } = ask;
  const isOn = askers.some(
    (other) =>
      other.credential === credential &&
      other.address.identity === address.identity &&
      !mayReachMore(ask, other),
  );
  if (!isOn && askers.length < MAX_ASKERS) askers.push(ask);
}

/** Whether what has failed everywhere for the one may succeed for the other: nodes do not ask all they know for each other. */
export const mayReachMore = (ask: Ask, than: Ask): boolean =>
  than.isPassedOn === true && ask.isPassedOn !== true;

/**
 * Fills a flight as the first of its askers; where the origin refuses one, as the next, and where all fail whom a node
 * may ask for another, as a client. Those who read it each have the right to: what one is refused in the middle, an
 * expired token, is no reason for the others to fail.
 *
 * @throws P2PError what `fill` fails with; REFUSED_TO_OTHERS when the origin refused several.
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
      const isRefused = hasCode(error, 'UPSTREAM_REFUSED');
      if (isRefused) refused(ask, error);
      // Who brings no credential is as little a reason for the others to fail.
      const isOwn = isRefused || hasCode(error, 'NOT_CACHED');
      const next = askers.findIndex(
        (other, place) => place > at && (isOwn || (isElsewhere(error) && mayReachMore(other, ask))),
      );
      if (next === -1 && isOwn && at > 0) {
        throw new P2PError('REFUSED_TO_OTHERS', `the origin refused all ${at + 1} who asked together`);
      }
      if (next === -1) throw error;
      at = next;
    }
  }
}
