import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { get } from './client.ts';
import { freePort, startDaemon } from './daemon.ts';
import { tempDir } from './temp-dir.ts';
import type { TokenIssuer } from './token-issuer.ts';

const run = promisify(execFile);

/** One line of the registry's access log. */
export interface RegistryHit {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
}

/** Debian's docker-registry with an empty folder of its own. */
export interface Registry extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** What it was asked so far, `/v2/` included. */
  hits(): RegistryHit[];
  /** The requests for blobs alone. */
  blobHits(): RegistryHit[];
}

/** How a registry differs from the plain one, which lets everybody do anything. */
export interface RegistryOptions {
  /** Asks for one of these users by Basic authentication. */
  readonly users?: Readonly<Record<string, string>>;
  /** Asks for a token of this issuer. */
  readonly tokens?: TokenIssuer;
}

// Apache's combined format, which docker-registry writes to its standard output.
const ACCESS_LINE = /"(GET|HEAD|PUT|POST|PATCH|DELETE) (\S+) HTTP\/[\d.]+" (\d+) (\d+)/g;

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
  const hits = () => [...daemon.output().matchAll(ACCESS_LINE)].map(hitOf);
  return {
    url,
    port,
    pid: daemon.pid,
    hits,
    blobHits: () => hits().filter(({ path }) => path.includes('/blobs/')),
    async [Symbol.asyncDispose]() {
      await daemon.stop('SIGKILL');
      await dir[Symbol.asyncDispose]();
    },
  };
}

const hitOf = ([, method = '', path = '', status, bytes]: RegExpMatchArray): RegistryHit => ({
  method,
  path,
  status: Number(status),
  bytes: Number(bytes),
});

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
