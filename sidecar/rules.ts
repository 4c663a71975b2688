import { redact } from '../functions/protocol/address.ts';
import { P2PError } from '../functions/protocol/errors.ts';
import type { Rule } from '../functions/service/config/settings.ts';

/**
 * Says what becomes of a URL: the first rule that matches decides; none means `pass`. URLs are given as parsed and
 * written out again, so that no other way of writing one gets around a rule.
 */
export class Rules {
  readonly #rules: readonly { readonly pattern: RegExp; readonly action: Rule['Action'] }[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules.map(({ Match, Action }) => ({ pattern: new RegExp(Match), action: Action }));
  }

  decide(url: string): Rule['Action'] {
    return this.#rules.find(({ pattern }) => pattern.test(url))?.action ?? 'pass';
  }

  /**
   * What becomes of a URL that is not denied.
   *
   * @throws P2PError RULE_DENIED.
   */
  refuseDenied(url: string): Exclude<Rule['Action'], 'deny'> {
    const action = this.decide(url);
    if (action !== 'deny') return action;
    throw new P2PError('RULE_DENIED', `a rule in ProxyConfig.Rules denies ${redact(url)}`);
  }
}
