import { formatGrant, type Grant, parseGrant } from '../protocol/grant.ts';
import { formatSigned, MAX_SKEW_SECONDS, MAX_TOKEN_LENGTH, parseSigned } from '../protocol/token.ts';
import type { ClusterKeys } from './cluster-keys.ts';

/** Who shows a right to whom, as tokens name them. */
export interface Showing {
  readonly issuer: string;
  readonly audience: string;
}

/**
 * A right that a node has seen its client prove, told to a sibling that is to send some of the content: a credential
 * goes to its origin alone. It is worth nothing from another node, to another, or for another right.
 */
export class GrantSignatures {
  readonly #keys: ClusterKeys;
  readonly #now: () => number;

  constructor(keys: ClusterKeys, now: () => number) {
    this.#keys = keys;
    this.#now = now;
  }

  /**
   * `max-age=300; public=bare; at=1763840000; mac=…`, for X-P2P-Access of a request. `aheadMs` is how far the clock of
   * whoever is asked is ahead.
   */
  sign(grant: Grant, right: string, showing: Showing, aheadMs = 0): string {
    const nowMs = this.#now();
    const said = `${formatGrant(grant, nowMs)}; at=${Math.floor((nowMs + aheadMs) / 1000)}`;
    return formatSigned(said, this.#keys.sign('grant', textOf(said, right, showing)));
  }

  /** The grant, unless it is not for this right, not between these nodes, or was not made just now. */
  verify(signed: string, right: string, showing: Showing): Grant | undefined {
    const { text, mac } = (signed.length <= MAX_TOKEN_LENGTH && parseSigned(signed)) || {};
    const [, said, at] = /^(.+); at=(\d{1,12})$/.exec(text ?? '') ?? [];
    if (text === undefined || mac === undefined || said === undefined) return undefined;
    if (!this.#keys.verify('grant', textOf(text, right, showing), mac)) return undefined;
    const nowMs = this.#now();
    if (Math.abs(nowMs / 1000 - Number(at)) > MAX_SKEW_SECONDS) return undefined;
    return parseGrant(said, nowMs);
  }
}

/** The right comes last: it may be of any letters, which the others are not. */
const textOf = (said: string, right: string, { issuer, audience }: Showing): string =>
  `v=1; ${said}; iss=${issuer}; aud=${audience}\n${right}`;
