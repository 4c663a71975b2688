import type { Address } from '../../protocol/address.ts';
import type { Anonymity } from '../../protocol/grant.ts';

/**
 * What a request proves its right by: its Authorization header and the signature in its URL, as one text. Empty when
 * it has neither. It goes to its origin alone, and is never kept, logged or named in a file.
 */
export type Credential = string;

export const NO_CREDENTIAL: Credential = '';

/** The credential of a request for an address. */
export const credentialOf = (address: Address, authorization: string | undefined): Credential =>
  address.signed ? `${authorization ?? ''}\n${address.url}` : (authorization ?? NO_CREDENTIAL);

/**
 * Whether a credential that the origin accepted names nobody. A token does that whose subject is empty, as registries
 * give to whoever asks (Distribution, "Token Authentication Implementation": `sub` is empty if the client did not
 * authenticate). Only to be asked of what an origin accepted: anyone can write such a token, but not sign it.
 */
export function anonymityOf(credential: Credential): Anonymity | undefined {
  if (credential === NO_CREDENTIAL) return 'bare';
  return tokenOf(credential)?.sub === '' ? 'token' : undefined;
}

/** When a credential says itself that it ends, milliseconds since the epoch: the `exp` of a JWT (RFC 7519 §4.1.4). */
export function expiryOf(credential: Credential): number {
  const exp = tokenOf(credential)?.exp;
  return typeof exp === 'number' ? exp * 1000 : Number.POSITIVE_INFINITY;
}

const BEARER_JWT = /^bearer +[\w-]+\.([\w-]+)\.[\w-]*$/i;

/** The claims of a JWT, read and not verified: that is the origin's to do. */
function tokenOf(credential: Credential): { readonly sub?: unknown; readonly exp?: unknown } | undefined {
  const payload = BEARER_JWT.exec(credential)?.[1];
  if (payload === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return typeof claims === 'object' && claims !== null ? claims : undefined;
  } catch {
    return undefined;
  }
}
