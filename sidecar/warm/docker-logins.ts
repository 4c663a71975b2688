import { readFileSync } from 'node:fs';
import { P2PError } from '../../functions/protocol/errors.ts';
import { parseImageName } from '../../functions/service/image-name.ts';
import type { Login } from '../../functions/service/registry-auth.ts';

// What `docker login` writes for Docker Hub.
const HUB_KEY = 'https://index.docker.io/v1/';
const HUB = 'docker.io';

/**
 * The logins that Docker's config.json has for the registries of these images, by registry.
 *
 * @throws P2PError CONFIG_INVALID when the file cannot be read, or leaves a login to a program of its own.
 */
export function dockerLogins(file: string, images: readonly string[]): Readonly<Record<string, Login>> {
  const config = readConfig(file);
  const registries = new Set(images.flatMap((name) => parseImageName(name)?.registry ?? []));
  return Object.fromEntries(
    [...registries].flatMap((registry) => {
      const { auth } = config.auths?.[registry === HUB ? HUB_KEY : registry] ?? {};
      const helper = config.credHelpers?.[registry] ?? config.credsStore;
      if (auth !== undefined && auth !== '') return [[registry, loginOf(auth, file)]];
      if (helper === undefined) return [];
      throw new P2PError(
        'CONFIG_INVALID',
        `--logins: ${file} leaves the login for ${registry} to docker-credential-${helper}; name a file that has it`,
      );
    }),
  );
}

interface DockerConfig {
  readonly auths?: Readonly<Record<string, { readonly auth?: string }>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

function readConfig(file: string): DockerConfig {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) ?? {};
  } catch (cause) {
    throw new P2PError('CONFIG_INVALID', `--logins: ${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function loginOf(auth: string, file: string): Login {
  const [, username, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(auth, 'base64').toString()) ?? [];
  if (username !== undefined && password !== undefined) return { username, password };
  throw new P2PError('CONFIG_INVALID', `--logins: ${file} has a login that cannot be read`);
}
