import type { Located } from '../blob/store.ts';
import { ExpiringMap } from '../service/expiring-map.ts';

// Of a URL's life so much is gone at most when it is given to the next one who asks.
const FOUND_MS = 60_000;
// What is not there may be put by another instance.
const ABSENT_MS = 1_000;
// Of a URL that is nearly over a plan would be of no use. A function's clock may have stood still meanwhile.
const MARGIN_MS = 60_000;
// Some 500 bytes each, 2 KiB with the token of a session.
const MAX_KNOWN = 5_000;

/** What is asked for each object that is not known. */
export type Locate = (path: string) => Promise<Located | undefined>;

/**
 * Where objects are, asked once for all who want to know it at about the same time: each agent asks for the plan of a
 * whole blob, and a hundred that start at once would have each chunk of it looked for a hundred times.
 */
export class Locations {
  readonly #locate: Locate;
  readonly #found: ExpiringMap<Located>;
  readonly #absent: ExpiringMap<true>;
  readonly #finding = new Map<string, Promise<Located | undefined>>();

  /** `now` is milliseconds of a clock that nobody sets. */
  constructor(locate: Locate, now: () => number) {
    this.#locate = locate;
    this.#found = new ExpiringMap({ max: MAX_KNOWN, ttlMs: FOUND_MS, now });
    this.#absent = new ExpiringMap({ max: MAX_KNOWN, ttlMs: ABSENT_MS, now });
  }

  /** Where the object is, or was up to a minute ago; `undefined` where there is, or was a second ago, none. */
  find(path: string): Promise<Located | undefined> {
    const known = this.#found.get(path);
    if (known !== undefined && known.untilMs - Date.now() > MARGIN_MS) return Promise.resolve(known);
    if (this.#absent.get(path)) return Promise.resolve(undefined);
    const running = this.#finding.get(path);
    if (running !== undefined) return running;
    const finding: Promise<Located | undefined> = this.#locate(path)
      .then((located) => {
        // Unless it was put or removed meanwhile.
        if (this.#finding.get(path) !== finding) return located;
        if (located === undefined) this.#absent.set(path, true);
        else this.#found.set(path, located);
        return located;
      })
      .finally(() => {
        if (this.#finding.get(path) === finding) this.#finding.delete(path);
      });
    this.#finding.set(path, finding);
    return finding;
  }

  /** For an object that was put or removed. */
  forget(path: string): void {
    this.#found.delete(path);
    this.#absent.delete(path);
    this.#finding.delete(path);
  }

  /** For all objects below a folder, which ends in a slash. */
  forgetBelow(folder: string): void {
    for (const path of [...this.#found.names(), ...this.#absent.names(), ...this.#finding.keys()])
      if (path.startsWith(folder)) this.forget(path);
  }
}
