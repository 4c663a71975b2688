import { hasCode, P2PError } from '../protocol/errors.ts';
import type { Ask } from './ask.ts';
import type { Chunk } from './chunk.ts';
import type { Flight } from './flight.ts';

// As many different askers of one chunk are tried with when the origin refuses one.
const MAX_ASKERS = 16;

/** Notes for whom a flight is, unless somebody is on it who asks the same with the same credential. */
export function board({ askers }: Flight, ask: Ask): void {
  const { credential, address } = ask;
  const isOn = askers.some(
    (other) => other.credential === credential && other.address.identity === address.identity,
  );
  if (!isOn && askers.length < MAX_ASKERS) askers.push(ask);
}

/**
 * Fills a flight as the first of its askers; where the origin refuses one, as the next. Those who read it each have
 * the right to: what one is refused in the middle, an expired token, is no reason for the others to fail.
 *
 * @throws P2PError what `fill` fails with; REFUSED_TO_OTHERS when the origin refused several.
 */
export async function fillInTurn(
  { askers }: Flight,
  fill: (ask: Ask, isFirst: boolean) => Promise<Chunk>,
  refused: (ask: Ask, error: P2PError) => void,
): Promise<Chunk> {
  for (let at = 0; ; at += 1) {
    const ask = askers[at] as Ask;
    try {
      return await fill(ask, at === 0);
    } catch (error) {
      // Who brings no credential is as little a reason for the others to fail.
      const isAbstaining = hasCode(error, 'NOT_CACHED');
      if (!isAbstaining && !hasCode(error, 'UPSTREAM_REFUSED')) throw error;
      if (!isAbstaining) refused(ask, error);
      if (at + 1 < askers.length) continue;
      if (at === 0) throw error;
      throw new P2PError('REFUSED_TO_OTHERS', `the origin refused all ${at + 1} who asked together`);
    }
  }
}
