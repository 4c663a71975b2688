import { minIdleMs } from '../recency.ts';
import type { RootCore } from '../root.ts';
import type { SweepReport } from './report.ts';
import { sweep } from './sweep.ts';

/** The part of a root that is swept. */
export type Swept = Pick<RootCore, 'settings' | 'shelf' | 'store' | 'verify' | 'records' | 'log'>;

/** Sweeps one store as the settings say, one sweep at a time. */
export class Sweeper {
  readonly #core: Swept;
  #last: Promise<unknown> = Promise.resolve();

  constructor(core: Swept) {
    this.#core = core;
  }

  /**
   * Sweeps for as long as there is time, and logs what came of it.
   *
   * @throws whatever the store fails with.
   */
  sweep(isDry: boolean, hasTime: () => boolean): Promise<SweepReport> {
    const { settings, log, ...parts } = this.#core;
    const { MaxBytes: maxBytes, MaxAge: maxAgeMs, Rehash } = settings.Sweep;
    const policy = { maxBytes, maxAgeMs, minIdleMs: minIdleMs(parts.shelf) };
    const run = async () => {
      const order = { isDry, rehash: Rehash, hasTime };
      const report = await sweep({ ...parts, policy, now: Date.now }, order);
      const { doomed: _, ...told } = report;
      log.info(told, 'store_swept');
      return report;
    };
    const running = this.#last.then(run, run);
    this.#last = running.catch(() => {});
    return running;
  }
}

const sweepers = new WeakMap<Swept['shelf'], Sweeper>();

/** The sweeper of a root: there is one for each store. */
export function sweeperOf(core: Swept): Sweeper {
  const known = sweepers.get(core.shelf) ?? new Sweeper(core);
  sweepers.set(core.shelf, known);
  return known;
}
