import { anonymityOf, NO_CREDENTIAL } from '../../functions/blob/access/credential.ts';
import type { ShownRight } from '../../functions/blob/upstream.ts';
import type { Address } from '../../functions/protocol/address.ts';
import type { HeaderLines } from '../../functions/protocol/errors.ts';
import { ACCESS_HEADER, headerValue } from '../../functions/protocol/headers.ts';
import type { GrantSignatures } from '../../functions/service/grant-signature.ts';

/** What a sibling is asked with. */
interface Shown {
  readonly url: string;
  readonly headers: HeaderLines;
}

/**
 * Asks siblings for what a client has the right to read, without what it has proven that by: a credential is its
 * origin's and the roots' to see, and a right that is shown is worth nothing elsewhere.
 */
export class ShownRights {
  readonly #grants: GrantSignatures;
  readonly #self: string;

  /** `self` is this node's URL. */
  constructor(grants: GrantSignatures, self: string) {
    this.#grants = grants;
    this.#self = self;
  }

  /** `audience` is the sibling, as tokens name it; `aheadMs` is how far its clock is ahead. */
  inPlaceOfCredential(
    { url, identity, signed }: Address,
    headers: HeaderLines,
    shown: ShownRight | undefined,
    audience: string,
    aheadMs: number,
  ): Shown {
    const showing = { issuer: this.#self, audience };
    const right = shown && {
      [ACCESS_HEADER]: this.#grants.sign(shown.grant, shown.right, showing, aheadMs),
    };
    const { authorization, ...others } = headers;
    const publicBy = shown?.grant.publicBy;
    const isNobodys = anonymityOf(headerValue(headers, 'authorization') ?? NO_CREDENTIAL) === 'token';
    // What registries give to whoever asks is no secret, and without it they give nothing.
    if (!signed && publicBy !== undefined && isNobodys) return { url, headers: { ...headers, ...right } };
    const hasCredential = signed || authorization !== undefined;
    // Without the credential it could not have from anyone what it does not have.
    const onlyCached = hasCredential && publicBy !== 'bare' && { 'cache-control': 'only-if-cached' };
    return { url: signed ? identity : url, headers: { ...others, ...onlyCached, ...right } };
  }
}
