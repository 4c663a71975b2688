import type { Giver } from '../../functions/blob/upstream.ts';
import { Vigil } from '../../sidecar/upstream/vigil.ts';
import { handBody } from './hand-body.ts';

/** A vigil whose clock a test turns. */
export function turnedVigil() {
  const clock = { nowMs: 0, isHeld: false };
  const running = new Map<() => void, number>();
  const vigil = new Vigil({
    isHeld: () => clock.isHeld,
    now: () => clock.nowMs,
    every(ms, run) {
      running.set(run, ms);
      return () => running.delete(run);
    },
  });
  const pass = (ms: number): void => {
    const endMs = clock.nowMs + ms;
    while (clock.nowMs < endMs) {
      const [[run, everyMs] = [() => {}, ms]] = running;
      clock.nowMs += everyMs;
      run();
    }
  };
  return {
    vigil,
    clock,
    /** Whether it looks at all. */
    isAwake: () => running.size > 0,
    /** Lets time pass, tick by tick. */
    pass,
    /** Has it see a body that takes so long. */
    async passBody(length: number, ms: number, kind: Giver['kind'] = 'root'): Promise<void> {
      const hand = handBody();
      const reading = vigil
        .watch(hand.body, { kind, length, isRelay: false, examine: () => undefined })
        .read(() => {});
      pass(ms);
      await hand.send(length);
      hand.end();
      await reading;
    },
  };
}
