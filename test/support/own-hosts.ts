import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Addresses of names, as /etc/hosts has them: `{ 'registry.test': '127.0.0.1' }`. */
export type Hosts = Readonly<Record<string, string>>;

// In a mount namespace of its own, which ends with the process: nobody else sees this file.
const MOUNT = 'mount --bind "$1" /etc/hosts && shift && exec "$@"';

/** The command line under which a program, and what it starts, knows these names as well as no others. Root only. */
export async function withHosts(
  dir: string,
  hosts: Hosts,
  [command, args]: readonly [string, readonly string[]],
): Promise<[command: string, args: string[]]> {
  const file = join(dir, 'hosts');
  const lines = Object.entries({ localhost: '127.0.0.1', ...hosts }).map(([name, ip]) => `${ip} ${name}\n`);
  await writeFile(file, lines.join(''));
  return ['unshare', ['--mount', 'sh', '-c', MOUNT, 'sh', file, command, ...args]];
}
