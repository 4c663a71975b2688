import type { ErrorCode, P2PError } from '../protocol/errors.ts';

// OCI distribution-spec, "Error Codes"; the last three are of the reference implementation, for what the spec has no
// name for (distribution, registry/api/errcode).
export type RegistryCode =
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'UNSUPPORTED'
  | 'RANGE_INVALID'
  | 'UNAVAILABLE'
  | 'UNKNOWN';

const CODES: Partial<Record<ErrorCode, RegistryCode>> = {
  ADDRESS_INVALID: 'NAME_INVALID',
  METHOD_NOT_ALLOWED: 'UNSUPPORTED',
  KEY_REFUSED: 'DENIED',
  RULE_DENIED: 'DENIED',
  ORIGIN_NOT_ALLOWED: 'DENIED',
  ACCESS_UNPROVEN: 'DENIED',
  RANGE_UNSATISFIABLE: 'RANGE_INVALID',
  DIGEST_MISMATCH: 'DIGEST_INVALID',
};

/** True for a request that a registry's API is asked by: what speaks it expects its errors. */
export const isRegistryTarget = (target: string): boolean =>
  /^(?:https?:\/\/[^/?]*)?\/v2(?:[/?]|$)/i.test(target);

/** An error in the shape of the registry API: `{"errors":[{"code":…,"message":…,"detail":…}]}`. */
export function formatRegistryError({ code, status, message, expose, body }: P2PError): Buffer {
  const named = CODES[code] ?? (status >= 502 ? 'UNAVAILABLE' : 'UNKNOWN');
  // What another node of ours explains begins with the code.
  const why = body === undefined ? message : Buffer.from(body).toString().replace(`${code}: `, '').trim();
  return registryBody(named, expose ? why : 'internal error', code);
}

/** The body of one error; `detail` says in our own terms what `code` is too coarse for. */
export const registryBody = (code: RegistryCode, message: string, detail: ErrorCode): Buffer =>
  Buffer.from(`${JSON.stringify({ errors: [{ code, message, detail }] })}\n`);
