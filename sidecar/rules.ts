import type { Rule } from '../functions/service/settings.ts';

/** Says what becomes of a URL: the first rule that matches decides; none means `pass`. */
export class Rules {
  readonly #rules: readonly { readonly pattern: RegExp; readonly action: Rule['Action'] }[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules.map(({ Match, Action }) => ({ pattern: new RegExp(Match), action: Action }));
  }

  decide(url: string): Rule['Action'] {
    return this.#rules.find(({ pattern }) => pattern.test(url))?.action ?? 'pass';
  }
}
