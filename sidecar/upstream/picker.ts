import type { Member } from '../members/member.ts';
import type { Health } from './health.ts';

// The owner, and two that stand in for it: more of them failing at once means that it is the network.
const MAX_SIBLINGS = 3;
// Once roots and origin have failed too, whoever may have the chunk is worth a question that costs it nothing.
const MAX_LAST = 8;
// Whoever is asked for what it does not own asks its own owner, once: where views differ still, the roots settle it.
const MAX_FORWARDS = 1;

/** How many of a chunk's order a picker looks at, and at last. */
export const RANKED = MAX_SIBLINGS + 1;
export const RANKED_LAST = MAX_LAST + 1;

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
  /**
   * Whether they are well or not: three that were slower than another one look as bad as three that failed, and who had
   * the chunk all the while would not be asked.
   */
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
   * `RANKED` or `RANKED_LAST` long; `via` are the members that the request has been at before it came here.
   */
  pick(ranked: readonly Member[], via: readonly string[]): Picked {
    const { self, health } = this.#parts;
    const near = ranked.slice(0, RANKED);
    const at = near.findIndex(({ url }) => url === self);
    const before = at === -1 ? near : near.slice(0, at);
    // Whoever asked us has its own last resort.
    if (via.length > 0) return { first: this.#forward(before, via), last: [] };
    const others = ranked.filter(({ url }) => url !== self);
    return {
      first: this.#inTurn(before, MAX_SIBLINGS, ({ url }) => health.mayAsk(url)),
      last: this.#inTurn(others, MAX_LAST, () => true),
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

  *#inTurn(members: readonly Member[], most: number, mayAsk: (member: Member) => boolean): Iterable<Member> {
    const { budgetMs, now } = this.#parts;
    const deadlineMs = now() + budgetMs;
    let asked = 0;
    for (const member of members) {
      if (asked === most || now() >= deadlineMs) return;
      if (!mayAsk(member)) continue;
      asked += 1;
      yield member;
    }
  }
}
