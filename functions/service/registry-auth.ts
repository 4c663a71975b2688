import type { Reply } from '../blob/upstream.ts';
import { P2PError } from '../protocol/errors.ts';
import { headerValue, PROXY_NAME } from '../protocol/headers.ts';
import type { HttpClient } from './http-client.ts';
import type { OriginAccess } from './origin-access.ts';
import { readText } from './read-text.ts';

/** How somebody is known to a registry. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What coming by credentials takes. */
export interface RegistryAuthParts {
  readonly http: Pick<HttpClient, 'request'>;
  /** Judges which registries, and whose tokens, may be asked. */
  readonly access: Pick<OriginAccess, 'checkListed' | 'checkAddress'>;
  /** By origin. Whoever reads without one is nobody in particular. */
  readonly logins: ReadonlyMap<string, Login>;
  readonly now: () => number;
}

/** What a registry says it wants (RFC 9110 §11.6.1). */
type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: URL; readonly service: string | undefined };

interface Token {
  readonly authorization: string;
  readonly renewAtMs: number;
}

const MAX_TOKEN_BYTES = 64 * 1024;
// What a token lives that does not say (distribution, "Token Authentication Specification").
const DEFAULT_TOKEN_SECONDS = 60;

/**
 * Comes by what a registry wants to see of whoever reads a repository: nothing, a password (RFC 7617), or a token of
 * the server that it names (distribution, "Token Authentication Specification"). Passwords go to the registry and to
 * that server alone, and are kept in memory alone.
 */
export class RegistryAuth {
  readonly #parts: RegistryAuthParts;
  readonly #challenges = new Map<string, Promise<Challenge | undefined>>();
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(parts: RegistryAuthParts) {
    this.#parts = parts;
  }

  /**
   * The Authorization header for reading a repository; `undefined` where none is wanted, or none is to be had.
   *
   * @throws P2PError ORIGIN_NOT_ALLOWED, UPSTREAM_REFUSED when the token server refuses, what asking failed with.
   */
  async authorization(origin: string, repository: string, signal: AbortSignal): Promise<string | undefined> {
    const challenge = await kept(this.#challenges, origin, () => this.#ask(origin, signal));
    if (challenge === undefined) return undefined;
    if (challenge.scheme === 'basic') return this.basic(origin);
    const name = nameOf(origin, repository);
    const token = await kept(this.#tokens, name, () => this.#fetch(challenge, origin, repository, signal));
    if (this.#parts.now() < token.renewAtMs) return token.authorization;
    this.#tokens.delete(name);
    const fresh = await kept(this.#tokens, name, () => this.#fetch(challenge, origin, repository, signal));
    return fresh.authorization;
  }

  /** Has the next reader of a repository get another token: the registry did not take this one. */
  forget(origin: string, repository: string): void {
    this.#tokens.delete(nameOf(origin, repository));
  }

  /** The Authorization header that is the login for an origin, if there is one. */
  basic(origin: string): string | undefined {
    const login = this.#parts.logins.get(origin);
    return login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;
  }

  async #ask(origin: string, signal: AbortSignal): Promise<Challenge | undefined> {
    const url = new URL('/v2/', origin);
    this.#parts.access.checkListed(url);
    const { status, headers, body } = await this.#get(url, {}, signal);
    body.discard();
    return status === 401 ? challengeOf(headerValue(headers, 'www-authenticate') ?? '', origin) : undefined;
  }

  async #fetch(
    { realm, service }: Extract<Challenge, { scheme: 'bearer' }>,
    origin: string,
    repository: string,
    signal: AbortSignal,
  ): Promise<Token> {
    const url = new URL(realm);
    if (service !== undefined) url.searchParams.set('service', service);
    url.searchParams.set('scope', `repository:${repository}:pull`);
    this.#parts.access.checkAddress(url);
    const authorization = this.basic(origin);
    const asked = this.#parts.now();
    const reply = await this.#get(url, authorization === undefined ? {} : { authorization }, signal);
    const text = await readText(reply.body, MAX_TOKEN_BYTES, url.host);
    const { token, seconds } = parseToken(text);
    if (reply.status !== 200 || token === undefined) {
      const who = authorization === undefined ? 'for nobody in particular' : 'for the given login';
      throw new P2PError(
        'UPSTREAM_REFUSED',
        `${url.host} gives no token for ${repository} ${who} (${reply.status})`,
        { status: reply.status === 200 ? 502 : reply.status },
      );
    }
    // Half of its life is left for what is asked with it.
    return { authorization: `Bearer ${token}`, renewAtMs: asked + seconds * 500 };
  }

  #get(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Reply> {
    const all = { 'user-agent': PROXY_NAME, accept: 'application/json', ...headers };
    return this.#parts.http.request({ url: url.href, method: 'GET', headers: all }, signal);
  }
}

const nameOf = (origin: string, repository: string): string => `${origin}/${repository}`;

/** What `make` makes, once for all who ask for it; a failure is forgotten. */
function kept<T>(known: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
  const found = known.get(name);
  if (found !== undefined) return found;
  const making = make();
  known.set(name, making);
  making.catch(() => known.delete(name));
  return making;
}

/** @throws P2PError UPSTREAM_FAILED for what cannot be met, or would carry a password in the open. */
function challengeOf(header: string, origin: string): Challenge {
  const bearer = /(?:^|[\s,])bearer\s+(.*)$/is.exec(header)?.[1];
  if (bearer === undefined) {
    if (/(?:^|[\s,])basic\b/i.test(header)) return { scheme: 'basic' };
    throw new P2PError(
      'UPSTREAM_FAILED',
      `${origin} wants to be asked in a way that is not known: ${header}`,
    );
  }
  const parameter = (name: string) => new RegExp(`(?:^|[\\s,])${name}="([^"]*)"`, 'i').exec(bearer)?.[1];
  const realm = parameter('realm') ?? '';
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && origin.startsWith('http:'));
  if (url === undefined || !isSafe) {
    throw new P2PError('UPSTREAM_FAILED', `${origin} names "${realm}" for tokens, which is no place to ask`);
  }
  return { scheme: 'bearer', realm: url, service: parameter('service') };
}

function parseToken(text: string): { readonly token: string | undefined; readonly seconds: number } {
  let said: { readonly token?: unknown; readonly access_token?: unknown; readonly expires_in?: unknown };
  try {
    said = JSON.parse(text) ?? {};
  } catch {
    said = {};
  }
  const token = said.token ?? said.access_token;
  const seconds = Number(said.expires_in ?? DEFAULT_TOKEN_SECONDS);
  const isToken = typeof token === 'string' && /^[\x21-\x7e]+$/.test(token);
  return { token: isToken ? token : undefined, seconds: seconds > 0 ? seconds : DEFAULT_TOKEN_SECONDS };
}
