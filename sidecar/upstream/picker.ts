import type { Member } from '../members/member.ts';
import type { Health } from './health.ts';

// The owner, and two that stand in for it: more of them failing at once means that it is the network.
const MAX_SIBLINGS = 3;
// Whoever is asked for what it does not own asks its own owner, once: where views differ still, the roots settle it.
const MAX_FORWARDS = 1;

/** How many of a chunk's order a picker looks at. */
export const RANKED = MAX_SIBLINGS + 1;

/** What picking goes by. */
export interface PickerParts {
  /** `url` of this node as a member. */
  readonly self: string;
  readonly health: Pick<Health, 'mayAsk'>;
  /** For so long siblings are tried for one chunk, milliseconds; then the roots are asked, come what may. */
  readonly budgetMs: number;
  readonly now: () => number;
}

/** Who is asked for a chunk before the roots, and who once these, and the origin, have failed. */
export interface Picked {
  readonly first: Iterable<Member>;
  readonly last: Iterable<Member>;
}

/**
 * Picks whom to ask for a chunk, in order. Whoever is first of those that are well owns it and asks the roots; all
 * others ask that one. So where views agree one node of the zone asks the roots, and where they differ the request
 * takes one hop more.
 */
export class Picker {
  readonly #parts: PickerParts;

  constructor(parts: PickerParts) {
    this.#parts = parts;
  }

  /**
   * The members to ask, lazily: each is judged when its turn comes. `ranked` is the beginning of the chunk's order,
   * `RANKED` long; `via` are the members that the request has been at before it came here.
   */
  pick(ranked: readonly Member[], via: readonly string[]): Picked {
    const at = ranked.findIndex(({ url }) => url === this.#parts.self);
    const before = at === -1 ? ranked : ranked.slice(0, at);
    if (via.length > 0) return { first: this.#forward(before, via), last: [] };
    return {
      first: this.#inTurn(before),
      // Who owns it is asked by the others, and has nobody to ask: they may have it still when all else is gone.
      last: at === -1 ? [] : this.#inTurn(ranked.slice(at + 1)),
    };
  }

  /** The one owner, unless the request has been there, or is to go no further. */
  *#forward(before: readonly Member[], via: readonly string[]): Iterable<Member> {
    if (via.length > MAX_FORWARDS) return;
    for (const member of before) {
      if (via.includes(member.url)) return;
      if (!this.#parts.health.mayAsk(member.url)) continue;
      yield member;
      return;
    }
  }

  *#inTurn(members: readonly Member[]): Iterable<Member> {
    const { health, budgetMs, now } = this.#parts;
    const deadlineMs = now() + budgetMs;
    let asked = 0;
    for (const member of members) {
      if (asked === MAX_SIBLINGS || now() >= deadlineMs) return;
      if (!health.mayAsk(member.url)) continue;
      asked += 1;
      yield member;
    }
  }
}
