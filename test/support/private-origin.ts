import type { Fault } from './fault.ts';
import { type Origin, startOrigin } from './origin.ts';

/** Which repositories a token may read; `''` is who comes without one. */
export type Rights = Record<string, readonly string[]>;

/** An origin whose repositories are read by those alone who have the right; change `rights` at any time. */
export interface PrivateOrigin extends Origin {
  rights: Rights;
}

/** The challenge of a repository, as registries that go by tokens write it. */
export const challengeOf = (repository: string): string =>
  `Bearer realm="https://auth.test/token",service="test",scope="repository:${repository}:pull"`;

/** What a registry says to who is not known: an OCI error body. */
export const UNAUTHORIZED =
  '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}\n';
/** What it says to who is known, and may not. */
export const DENIED = '{"errors":[{"code":"DENIED","message":"not yours","detail":null}]}\n';

/** Starts an origin that answers a missing or unknown token with 401, and a known one without the right with 403. */
export async function startPrivateOrigin(rights: Rights): Promise<PrivateOrigin> {
  const origin = Object.assign(await startOrigin(), { rights });
  origin.refuses = ({ url = '', headers }) => {
    const repository = /^\/v2\/(.+)\/(?:blobs|manifests)\//.exec(url)?.[1] ?? '';
    const token = (headers.authorization ?? '').replace(/^Bearer /, '');
    const rights = origin.rights[token];
    if (rights?.includes(repository)) return undefined;
    if (rights !== undefined && token !== '') return refusal(403, DENIED, {});
    return refusal(401, UNAUTHORIZED, { 'www-authenticate': challengeOf(repository) });
  };
  return origin;
}

const refusal = (status: number, body: string, headers: Readonly<Record<string, string>>): Fault => ({
  status,
  body,
  headers: { 'content-type': 'application/json', ...headers },
});

/** A token as issuers sign them, but for the signature. */
export function jwt(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJl`;
}
