import { RE2JS } from 're2js';
import { type Address, type AddressHints, redact, withHints } from '../protocol/address.ts';
import { P2PError } from '../protocol/errors.ts';
import type { Action, OwnRule, Rule } from './config/settings.ts';
import { type HostPattern, matchesHost, parseHostPattern } from './host-pattern.ts';
import { RULE_PRESETS } from './rule-presets.ts';

/** A request as rules see it. */
interface Asked {
  /** As parsed and written out again, so that no other way of writing it gets around a rule. */
  readonly url: string;
  readonly method: string;
}

interface Compiled {
  readonly rule: OwnRule;
  readonly methods: ReadonlySet<string> | undefined;
  readonly hosts: readonly HostPattern[] | undefined;
  readonly pattern: RE2JS | undefined;
  /** True when a match names the blob's digest. */
  readonly namesDigest: boolean;
}

/** What a rule says of a request. */
interface Verdict {
  readonly action: Action;
  readonly hints: AddressHints;
}

const UNRULED: Verdict = { action: 'pass', hints: {} };

/**
 * Says what becomes of a request: the first rule that matches decides; none means `pass`. Roots and agents judge
 * alike: a root that is given the agents' rules keeps one copy of what they take for one blob; one that is not keeps
 * it by its whole URL, which is as right and less thrifty.
 *
 * Expressions are RE2's, matched in time linear in the URL: a client's URL is not to be trusted.
 */
export class Rules {
  readonly #rules: readonly Compiled[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules
      .flatMap((rule) => ('Preset' in rule ? (RULE_PRESETS.get(rule.Preset)?.rules ?? []) : [rule]))
      .map(compile);
  }

  /** Of each rule that accelerates the hosts it is for; `undefined` stands for any. */
  get accelerated(): readonly (readonly HostPattern[] | undefined)[] {
    return this.#rules.filter(({ rule }) => rule.Action === 'accelerate').map(({ hosts }) => hosts);
  }

  /**
   * What becomes of a request for an address, and the address as the rule makes it.
   *
   * @throws P2PError RULE_DENIED.
   */
  judge(address: Address, method: string): { readonly action: Action; readonly address: Address } {
    const { action, hints } = this.#find({ url: address.url, method });
    if (action === 'deny') throw denied(address.url);
    return { action, address: action === 'accelerate' ? withHints(address, hints) : address };
  }

  /**
   * For a URL whose method is not known, as behind a tunnel.
   *
   * @throws P2PError RULE_DENIED when every request for it is denied.
   */
  refuseDenied(url: string): void {
    if (this.#find({ url, method: '' }).action === 'deny') throw denied(url);
  }

  #find({ url: asked, method }: Asked): Verdict {
    const parsed = new URL(asked);
    // `a.test.` is the same host (RFC 3986 §3.2.2).
    parsed.hostname = parsed.hostname.replace(/\.+$/, '');
    const url = parsed.href;
    const plain = withPlainLetters(url);
    for (const { rule, methods, hosts, pattern, namesDigest } of this.#rules) {
      if (methods !== undefined && !methods.has(method)) continue;
      if (hosts !== undefined && !hosts.some((host) => matchesHost(host, parsed))) continue;
      const match =
        pattern && (matchOf(pattern, url) ?? (plain === url ? undefined : matchOf(pattern, plain)));
      if (pattern !== undefined && match === undefined) continue;
      return {
        action: rule.Action,
        hints: hintsOf(rule, namesDigest ? match?.group(DIGEST_GROUP) : undefined),
      };
    }
    return UNRULED;
  }
}

const DIGEST_GROUP = 'sha256';

/** The first match, or `undefined`. */
function matchOf(pattern: RE2JS, url: string) {
  const match = pattern.matcher(url);
  return match.find() ? match : undefined;
}

// Letters, digits and `-._~` mean the same encoded (RFC 3986 §2.3), and servers decode them.
const ENCODED_PLAIN = /%(?:2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])/gi;

const withPlainLetters = (url: string): string =>
  url.replace(ENCODED_PLAIN, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));

function compile(rule: OwnRule): Compiled {
  const pattern = rule.Match === undefined ? undefined : RE2JS.compile(rule.Match);
  return {
    rule,
    methods: rule.Methods && new Set(rule.Methods),
    hosts: rule.Hosts?.map(parseHostPattern),
    pattern,
    namesDigest: pattern !== undefined && DIGEST_GROUP in pattern.namedGroups(),
  };
}

const hintsOf = (rule: OwnRule, sha256: string | null | undefined): AddressHints => ({
  sha256: sha256 ?? undefined,
  ignoreQuery: rule.IgnoreQuery,
  isImmutable: rule.Immutable,
  minBytes: rule.MinSize,
});

const denied = (url: string): P2PError =>
  new P2PError('RULE_DENIED', `a rule in ProxyConfig.Rules denies ${redact(url)}`);
