import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Hosts, withHosts } from './own-hosts.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

const PULL_MS = 60_000;
// podman has its locks in shared memory, whose names are the same for all.
const MOUNTS =
  'mount --bind "$1" /etc/containers && mount -t tmpfs tmpfs /dev/shm && cd "$2" && shift 2 && exec "$@"';

/** A program that pulls images, with a place of its own for them. */
export interface ImageClient {
  /** Pulls an image; gives the digest of its configuration. */
  pull(reference: string): Promise<string>;
  /** Forgets an image with all its layers. */
  remove(reference: string): Promise<void>;
}

/** podman and skopeo as on a host of their own: what they read in `/etc/containers` is nobody else's. Root only. */
export interface ContainersHost extends AsyncDisposable {
  /** The folder that has the host's `/etc`, for `dadip2p setup --root`. */
  readonly root: string;
  readonly podman: ImageClient;
  readonly skopeo: ImageClient;
  /** Logs both in, as `podman login` does: it asks the registry. */
  login(registry: string, user: string, password: string, ...flags: string[]): Promise<void>;
  /** The environment that a container of an image is made with, a line each. */
  containerEnv(reference: string): Promise<string>;
  /** Makes both forget a login. */
  logout(registry: string): Promise<void>;
}

/** What such a host is given. */
export interface ContainersHostOptions {
  /** Added to skopeo's environment; podman has a place in its configuration for that. */
  readonly skopeoEnv?: Readonly<Record<string, string>>;
  /** Names that it knows beside those of DNS. */
  readonly hosts?: Hosts;
}

/** Opens a host that has what the packages bring, and no more. */
export async function openContainersHost({
  skopeoEnv = {},
  hosts = {},
}: ContainersHostOptions = {}): Promise<ContainersHost> {
  const dir = await tempDir();
  const at = (...names: string[]) => join(dir.path, ...names);
  const etc = at('host/etc/containers');
  await mkdir(etc, { recursive: true });
  await writeFile(join(etc, 'policy.json'), '{ "default": [{ "type": "insecureAcceptAnything" }] }');

  // podman takes a file that it is told of for one that is there.
  await writeFile(at('auth.json'), '{}');
  const env = {
    PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
    HOME: dir.path,
    REGISTRY_AUTH_FILE: at('auth.json'),
  };
  const runHere = async (args: readonly string[], added: Readonly<Record<string, string>> = {}) => {
    const [command, own] = await withHosts(dir.path, hosts, [
      'sh',
      ['-c', MOUNTS, 'sh', etc, dir.path, ...args],
    ]);
    const options = { env: { ...env, ...added }, timeout: PULL_MS, killSignal: 'SIGKILL' as const };
    return (await run(command, own, options)).stdout.trim();
  };
  // vfs needs nothing of the kernel or of the file system below.
  const storage = ['--storage-driver', 'vfs', '--root', at('storage'), '--runroot', at('run')];
  const podman = (...args: string[]) => runHere(['podman', ...storage, '--tmpdir', at('libpod'), ...args]);

  return {
    root: at('host'),
    podman: {
      pull: async (reference) => `sha256:${await podman('pull', '--quiet', reference)}`,
      async remove(reference) {
        await podman('rmi', '--force', reference);
      },
    },
    skopeo: {
      async pull(reference) {
        await runHere(['skopeo', 'copy', `docker://${reference}`, `dir:${at('image')}`], skopeoEnv);
        const manifest = JSON.parse(await readFile(at('image', 'manifest.json'), 'utf8'));
        return manifest.config.digest;
      },
      remove: () => rm(at('image'), { recursive: true }),
    },
    async containerEnv(reference) {
      const id = await podman('create', '--network', 'host', reference);
      return podman('inspect', '--format', '{{range .Config.Env}}{{println .}}{{end}}', id);
    },
    async login(registry, user, password, ...flags) {
      await podman('login', '--username', user, '--password', password, ...flags, registry);
    },
    async logout(registry) {
      await podman('logout', registry);
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}
