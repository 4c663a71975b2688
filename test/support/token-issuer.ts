import { randomUUID, sign, X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Authority } from './authority.ts';
import { startOrigin } from './origin.ts';

/** Who may do what: `{ 'team/app': ['pull'] }`. */
export type Rights = Readonly<Record<string, readonly string[]>>;

/** A user of a registry. */
export interface User {
  readonly password: string;
  readonly rights: Rights;
}

/** One request for a token. */
export interface TokenRequest {
  /** `undefined`: nobody said who. */
  readonly user: string | undefined;
  readonly scopes: readonly string[];
  readonly status: number;
}

/** Issues tokens as registries' token servers do (distribution's "Token Authentication Specification"). */
export interface TokenIssuer extends AsyncDisposable {
  /** Where tokens are asked for: the `realm` of challenges. */
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** What a registry verifies tokens by. */
  readonly certFile: string;
  readonly requests: TokenRequest[];
  /** A token for a user, without a request: to put images in the registry. */
  tokenFor(user: string, ...scopes: string[]): string;
  /** Takes effect with the next token: one that was issued is good until it expires, as everywhere. */
  setRights(user: string, rights: Rights): void;
}

/** How a token issuer starts. */
export interface TokenIssuerOptions {
  readonly users: Readonly<Record<string, User>>;
  /** What needs no user. */
  readonly anonymous?: Rights;
  /** How long tokens are good. Default: 60 s, the least that clients believe. */
  readonly seconds?: number;
}

const SERVICE = 'test-registry';
const ISSUER = 'test-issuer';

/** Starts an issuer on a free port of 127.0.0.1; its tokens are signed below `authority`. */
export async function startTokenIssuer(
  authority: Authority,
  { users, anonymous = {}, seconds = 60 }: TokenIssuerOptions,
): Promise<TokenIssuer> {
  const { cert, key } = await authority.leaf('DNS:issuer.test');
  const x5c = [new X509Certificate(cert).raw.toString('base64')];
  const rights = new Map(Object.entries(users).map(([name, user]) => [name, user.rights]));
  const requests: TokenRequest[] = [];

  const server = await startOrigin();
  const realm = server.route('/token', (asked, reply) => {
    const scopes = new URL(asked.url ?? '/', server.url).searchParams
      .getAll('scope')
      .flatMap((scope) => scope.split(' '))
      .filter(Boolean);
    const user = userOf(asked);
    // containerd tries OAuth's POST first and takes this for "not here".
    const status = asked.method !== 'GET' ? 405 : user === null ? 401 : 200;
    requests.push({ user: user ?? undefined, scopes, status });
    if (status !== 200)
      return void reply.writeHead(status, { 'www-authenticate': 'Basic realm="issuer"' }).end();
    const token = tokenFor(user ?? undefined, scopes);
    const issued_at = new Date().toISOString();
    reply.writeHead(200, { 'content-type': 'application/json' });
    reply.end(JSON.stringify({ token, access_token: token, expires_in: seconds, issued_at }));
  });

  /** `null`: somebody unknown, or with a wrong password. */
  function userOf({ headers }: IncomingMessage): string | null | undefined {
    if (headers.authorization === undefined) return undefined;
    const text = Buffer.from(headers.authorization.replace(/^Basic /i, ''), 'base64').toString();
    const [name = '', password] = text.split(':');
    return Object.hasOwn(users, name) && users[name]?.password === password ? name : null;
  }

  function tokenFor(user: string | undefined, scopes: readonly string[]): string {
    const granted = user === undefined ? anonymous : (rights.get(user) ?? {});
    const access = scopes.map((scope) => accessOf(scope, granted));
    const now = Math.floor(Date.now() / 1000);
    const times = { exp: now + seconds, nbf: now - 10, iat: now };
    const header = { typ: 'JWT', alg: 'ES256', x5c };
    const claims = { iss: ISSUER, sub: user ?? '', aud: SERVICE, ...times, jti: randomUUID(), access };
    const text = `${encode(header)}.${encode(claims)}`;
    // RFC 7518 §3.4: the two numbers side by side, not in ASN.1.
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }

  return {
    realm,
    service: SERVICE,
    issuer: ISSUER,
    certFile: authority.certFile,
    requests,
    tokenFor: (user, ...scopes) => tokenFor(user, scopes),
    setRights: (user, granted) => void rights.set(user, granted),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** What is granted of `repository:team/app:pull,push`. */
function accessOf(scope: string, rights: Rights): object {
  const [type, name = '', actions = ''] = scope.split(':');
  const allowed = rights[name] ?? [];
  return { type, name, actions: actions.split(',').filter((action) => allowed.includes(action)) };
}
