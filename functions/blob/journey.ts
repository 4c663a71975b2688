import type { Giver } from './upstream.ts';

/** One source that was asked for a chunk, or for the rest of one. Times as `Journey` has them. */
export interface Leg {
  /** Who was asked; once it answers, who does. */
  source: string;
  kind: Giver['kind'];
  readonly askedMs: number;
  /** The head of its reply was there. */
  answeredMs?: number;
  /** How often the question was sent on before that. */
  redirects?: number;
  /** The code of what went wrong with it. */
  failure?: string;
}

// What fails more often than this has nothing new to tell.
const MAX_LEGS = 16;

/**
 * How a chunk came here: whom it was asked of, and what came of that. Milliseconds of one clock of this process. It is
 * remembered long after the chunk is gone, and keeps neither the chunk's memory nor whoever asked for it.
 */
export class Journey {
  readonly legs: Leg[] = [];
  readonly #now: () => number;

  /** `now` is of the process, made where no chunk is at hand. */
  constructor(now: () => number) {
    this.#now = now;
  }

  asked({ name, kind }: Giver): void {
    if (this.legs.length === MAX_LEGS) this.legs.shift();
    this.legs.push({ source: name, kind, askedMs: this.#now() });
  }

  answered({ name, kind }: Giver, redirects: number): void {
    const leg = this.legs.at(-1);
    if (leg === undefined) return;
    leg.source = name;
    leg.kind = kind;
    leg.answeredMs = this.#now();
    if (redirects > 0) leg.redirects = redirects;
  }

  failed(code: string): void {
    const leg = this.legs.at(-1);
    if (leg !== undefined) leg.failure = code;
  }
}
