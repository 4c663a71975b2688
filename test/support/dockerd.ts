import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startDaemon } from './daemon.ts';
import { findExecutable } from './programs.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

// Under the 75 s after which dockerd gives up on a layer: a pull that waits those out has failed.
const PULL_MS = 60_000;

/** How a Docker daemon starts. */
export interface DockerdOptions {
  /** URLs that it asks before Docker Hub. */
  readonly registryMirrors?: readonly string[];
  /** The configuration that it reads in place of one that is made of these options. */
  readonly configFile?: string;
  /** Added to its environment: `HTTPS_PROXY`, `SSL_CERT_FILE`. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A Docker daemon with folders and a socket of its own, and a command-line client of it. */
export interface Dockerd extends AsyncDisposable {
  readonly pid: number;
  /** What the daemon has logged so far. */
  output(): string;
  /** Pulls as `docker pull` does; gives the image's ID, the digest of its configuration. An abort kills the client. */
  pull(reference: string, signal?: AbortSignal): Promise<string>;
  /** Removes an image with its layers. */
  remove(reference: string): Promise<void>;
  /** Logs the client in, as `docker login` does: the daemon asks the registry. */
  login(registry: string, user: string, password: string): Promise<void>;
  /** Makes the client forget a login. */
  logout(registry: string): Promise<void>;
}

/** Starts a Docker daemon, which touches no network but by pulling. Root only. */
export async function startDockerd({
  registryMirrors = [],
  configFile,
  env = {},
}: DockerdOptions = {}): Promise<Dockerd> {
  const dir = await tempDir();
  const at = (name: string) => join(dir.path, name);
  const socket = `unix://${at('d.sock')}`;
  // Without a file of its own it reads the machine's.
  await writeFile(at('daemon.json'), JSON.stringify({ 'registry-mirrors': registryMirrors }));
  await mkdir(at('client'));
  const folders = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')];
  const quiet = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--ip-forward=false'];
  const args = ['--config-file', configFile ?? at('daemon.json'), '-H', socket, ...folders, ...quiet];
  const clientEnv = {
    PATH: process.env.PATH,
    HOME: dir.path,
    DOCKER_CONFIG: at('client'),
    DOCKER_HOST: socket,
  };
  const docker = async (args: readonly string[], signal?: AbortSignal) => {
    const abort = signal === undefined ? {} : { signal };
    const options = { env: clientEnv, timeout: PULL_MS, killSignal: 'SIGKILL' as const, ...abort };
    return (await run(findExecutable('docker') ?? 'docker', args, options)).stdout.trim();
  };

  const program = findExecutable('dockerd') ?? 'dockerd';
  // In a mount namespace of its own: what it mounts ends with it, however it ends.
  const own = ['--mount', program, ...args];
  const daemon = await startDaemon('unshare', own, (output) => output.includes('API listen on'), {
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, HOME: dir.path, ...env },
  }).catch(async (cause) => {
    await dir[Symbol.asyncDispose]();
    throw cause;
  });

  return {
    pid: daemon.pid,
    output: daemon.output,
    async pull(reference, signal) {
      await docker(['pull', '--quiet', reference], signal);
      return docker(['image', 'inspect', '--format', '{{.Id}}', reference]);
    },
    async remove(reference) {
      await docker(['image', 'rm', '--force', reference]);
    },
    async login(registry, user, password) {
      await docker(['login', '--username', user, '--password', password, registry]);
    },
    async logout(registry) {
      await docker(['logout', registry]);
    },
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      await dir[Symbol.asyncDispose]();
    },
  };
}
