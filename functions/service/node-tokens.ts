import { LRUCache } from 'lru-cache';
import {
  formatClock,
  formatSigned,
  formatToken,
  MAX_CLOCK_OFFSET_MS,
  MAX_SKEW_SECONDS,
  MAX_TOKEN_LENGTH,
  type NodeToken,
  parseClock,
  parseSigned,
  parseToken,
  TOKEN_LIFE_SECONDS,
  type TokenUse,
} from '../protocol/token.ts';
import type { ClusterKeys } from './cluster-keys.ts';

/** What tokens are made and judged with. */
export interface NodeTokensParts {
  readonly keys: ClusterKeys;
  /** The URL of this node's P2P port, as others reach it. */
  readonly self: string;
  readonly now: () => number;
}

/** What a token is worth. */
export type TokenVerdict =
  | { readonly issuer: string }
  | {
      readonly fault: string;
      /** X-P2P-Clock, for one that lacks nothing but being of this time. */
      readonly clock?: string;
    };

// As many nodes ask one, each with a token or two of late.
const MAX_KNOWN = 10_000;

/** The tokens of one node: those it shows to others, and those it is shown. Each is signed, and verified, once. */
export class NodeTokens {
  readonly #parts: NodeTokensParts;
  readonly #own = new LRUCache<string, { readonly text: string; readonly madeAtMs: number }>({
    max: MAX_KNOWN,
  });
  readonly #verified = new LRUCache<string, NodeToken>({ max: MAX_KNOWN });

  constructor(parts: NodeTokensParts) {
    this.#parts = parts;
  }

  /**
   * The X-P2P-Token for a request to this audience: `audienceOf` an agent's URL, or ROOT_AUDIENCE. `aheadMs` is how
   * far the clock of whoever will judge it is ahead of this node's.
   */
  issue(audience: string, use: TokenUse, aheadMs = 0): string {
    const nowMs = this.#parts.now() + aheadMs;
    const name = `${use} ${aheadMs} ${audience}`;
    const known = this.#own.get(name);
    const ageMs = nowMs - (known?.madeAtMs ?? 0);
    // Half its life is left when it is shown for the last time. The clock may have been set back since.
    if (known !== undefined && ageMs >= 0 && ageMs < TOKEN_LIFE_SECONDS * 500) return known.text;
    const expires = Math.ceil(nowMs / 1000) + TOKEN_LIFE_SECONDS;
    const plain = formatToken({ issuer: this.#parts.self, audience, use, expires });
    const text = formatSigned(plain, this.#parts.keys.sign('token', plain));
    this.#own.set(name, { text, madeAtMs: nowMs });
    return text;
  }

  /** Whether a token that came is one for this use by a node of the cluster, meant for one of these audiences. */
  verify(text: string, audiences: ReadonlySet<string>, use: TokenUse): TokenVerdict {
    const token = this.#verified.get(text) ?? this.#authentic(text);
    if (token === undefined) return { fault: 'the token is not signed by a Secret of this node' };
    const isMeant = audiences.has(token.audience) && token.use === use;
    if (!isMeant) return { fault: `the token is for ${token.audience}, to ${token.use}` };
    const aheadSeconds = token.expires - this.#parts.now() / 1000;
    if (aheadSeconds < -MAX_SKEW_SECONDS || aheadSeconds > TOKEN_LIFE_SECONDS + MAX_SKEW_SECONDS) {
      const fault = 'the token is not of this time; are the clocks of both nodes right?';
      return { fault, clock: this.#clockFor(text) };
    }
    return { issuer: token.issuer };
  }

  /**
   * How far the clock of a node that refused this token is ahead, in whole seconds but in milliseconds; `undefined`
   * unless a node of the cluster says so, of this very token, and it is no more than a day.
   */
  aheadOf(token: string, clock: string): number | undefined {
    const parts = clock.length > MAX_TOKEN_LENGTH ? undefined : parseSigned(clock);
    if (parts === undefined || !this.#parts.keys.verify('clock', parts.text, parts.mac)) return undefined;
    const said = parseClock(parts.text);
    if (said === undefined || said.mac !== parseSigned(token)?.mac) return undefined;
    const aheadMs = (said.now - Math.floor(this.#parts.now() / 1000)) * 1000;
    return Math.abs(aheadMs) > MAX_CLOCK_OFFSET_MS ? undefined : aheadMs;
  }

  // Signed, or whoever is on the way could have tokens made for tomorrow and keep them.
  #clockFor(token: string): string {
    const text = formatClock({
      now: Math.floor(this.#parts.now() / 1000),
      mac: parseSigned(token)?.mac ?? '',
    });
    return formatSigned(text, this.#parts.keys.sign('clock', text));
  }

  #authentic(signed: string): NodeToken | undefined {
    const parts = signed.length > MAX_TOKEN_LENGTH ? undefined : parseSigned(signed);
    if (parts === undefined || !this.#parts.keys.verify('token', parts.text, parts.mac)) return undefined;
    const token = parseToken(parts.text);
    if (token !== undefined) this.#verified.set(signed, token);
    return token;
  }
}
