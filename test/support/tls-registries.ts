import { type Authority, createAuthority } from './authority.ts';
import { type Front, startFront } from './front.ts';
import { type Image, type ImageOptions, pushImage } from './image.ts';
import { type RegistryOptions, startRegistry } from './registry.ts';
import { startTokenIssuer } from './token-issuer.ts';

/** A registry that speaks TLS under a name of its own, which DNS does not know. */
export interface TlsRegistry {
  /** `name:port` */
  readonly host: string;
  /** The certificate of the authority that vouches for it. */
  readonly certFile: string;
  /** What speaks TLS for it. */
  readonly front: Front;
  /** Puts an image into it, past its front; the image's reference is by its name. */
  push(repository: string, options: ImageOptions): Promise<Image>;
}

/** Who may read what is not for all. */
export interface RegistryUser {
  readonly user: string;
  readonly password: string;
  /** Where tokens let the user pull. */
  readonly repositories: readonly string[];
}

/** Three registries below an authority that nobody trusts, each with another kind of authentication. */
export interface TlsRegistries extends AsyncDisposable {
  readonly authority: Authority;
  readonly open: TlsRegistry;
  readonly basic: TlsRegistry;
  readonly token: TlsRegistry;
}

/** The names of the registries, for who has to reach them. */
export const TLS_REGISTRY_HOSTS = {
  'open.test': '127.0.0.1',
  'basic.test': '127.0.0.1',
  'token.test': '127.0.0.1',
} as const;

/** Starts the registries, with this one user where one is asked for. */
export async function startTlsRegistries({
  user,
  password,
  repositories,
}: RegistryUser): Promise<TlsRegistries> {
  const disposables: AsyncDisposable[] = [];
  const held = async <T extends AsyncDisposable>(starting: Promise<T>): Promise<T> => {
    const value = await starting;
    disposables.unshift(value);
    return value;
  };
  const authority = await held(createAuthority());
  const rights = Object.fromEntries(repositories.map((repository) => [repository, ['pull', 'push']]));
  const tokens = await held(startTokenIssuer(authority, { users: { [user]: { password, rights } } }));
  const start = async (
    name: keyof typeof TLS_REGISTRY_HOSTS,
    options: RegistryOptions,
    authorization?: (repository: string) => string,
  ): Promise<TlsRegistry> => {
    const registry = await held(startRegistry(options));
    const front = await held(startFront(registry.url, { tls: await authority.leaf(`DNS:${name}`) }));
    const host = `${name}:${front.port}`;
    return {
      host,
      certFile: authority.certFile,
      front,
      async push(repository, options) {
        const headers = authorization === undefined ? {} : { authorization: authorization(repository) };
        const image = await pushImage(registry.url, repository, 'v1', { ...options, headers });
        return { ...image, reference: `${host}/${repository}:v1` };
      },
    };
  };
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return {
    authority,
    open: await start('open.test', {}),
    basic: await start('basic.test', { users: { [user]: password } }, () => basic),
    token: await start(
      'token.test',
      { tokens },
      (repository) => `Bearer ${tokens.tokenFor(user, `repository:${repository}:pull,push`)}`,
    ),
    async [Symbol.asyncDispose]() {
      for (const value of disposables) await value[Symbol.asyncDispose]();
    },
  };
}
