import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { get } from './client.ts';
import { freePort, startDaemon } from './daemon.ts';
import { type Front, startFront } from './front.ts';
import { tempDir } from './temp-dir.ts';
import type { TokenIssuer } from './token-issuer.ts';

const run = promisify(execFile);

/** Debian's docker-registry with an empty folder of its own. */
export interface Registry extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
}

/** A registry that tells what it was asked, at once: its own log may do so some time after the answer. */
export type WatchedRegistry = Registry & Pick<Front, 'hits' | 'blobHits'>;

/** How a registry differs from the plain one, which lets everybody do anything. */
export interface RegistryOptions {
  /** Asks for one of these users by Basic authentication. */
  readonly users?: Readonly<Record<string, string>>;
  /** Asks for a token of this issuer. */
  readonly tokens?: TokenIssuer;
}

/** Starts a registry on a free port. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const dir = await tempDir();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const file = join(dir.path, 'config.yml');
  await writeFile(file, configOf(dir.path, port) + (await authOf(dir.path, options)));
  // 401 from one that wants credentials is an answer, too.
  const isUp = async () => (await get(`${url}/v2/`)).status > 0;
  const daemon = await startDaemon('docker-registry', ['serve', file], isUp);
  return {
    url,
    port,
    pid: daemon.pid,
    async [Symbol.asyncDispose]() {
      await daemon.stop('SIGKILL');
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** The same behind a front, which counts. */
export async function startWatchedRegistry(options: RegistryOptions = {}): Promise<WatchedRegistry> {
  const registry = await startRegistry(options);
  const front = await startFront(registry.url);
  const { url, port, hits, blobHits } = front;
  return {
    ...registry,
    url,
    port,
    hits,
    blobHits,
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

async function authOf(dir: string, { users, tokens }: RegistryOptions): Promise<string> {
  if (tokens !== undefined) {
    const { realm, service, issuer, certFile } = tokens;
    return `auth: ${JSON.stringify({ token: { realm, service, issuer, rootcertbundle: certFile } })}\n`;
  }
  if (users === undefined) return '';
  const path = join(dir, 'htpasswd');
  const hashes = Object.entries(users).map(async ([name, password]) => {
    // bcrypt, the only hash that the registry takes.
    const { stdout } = await run('htpasswd', ['-Bbn', name, password]);
    return stdout.trim();
  });
  await writeFile(path, (await Promise.all(hashes)).join('\n'));
  return `auth: ${JSON.stringify({ htpasswd: { realm: 'test', path } })}\n`;
}

const configOf = (dir: string, port: number) => `
version: 0.1
log:
  level: error
storage:
  filesystem:
    rootdirectory: ${join(dir, 'data')}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:${port}
`;
