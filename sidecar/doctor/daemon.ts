import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { HostFiles } from '../setup/host-files.ts';

/** A daemon that runs. */
export interface Daemon {
  readonly pid: string;
  readonly args: readonly string[];
  readonly startedAtMs: number;
}

// What /proc counts in, on every Linux that Node runs on (USER_HZ).
const TICKS_A_SECOND = 100;
const START_FIELD = 22;

/** The daemons of that name, out of /proc: none where there is no /proc. */
export function findDaemons(name: string, files: HostFiles): Daemon[] {
  const bootedAtSeconds = Number(/^btime (\d+)$/m.exec(read(files, '/proc/stat'))?.[1] ?? 0);
  const pids = files.list('/proc').filter((entry) => /^\d+$/.test(entry));
  return pids.flatMap((pid) => {
    if (read(files, `/proc/${pid}/comm`).trim() !== name) return [];
    // The name, in brackets, may have blanks in it: fields are counted from its end.
    const stat = read(files, `/proc/${pid}/stat`);
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_FIELD - 3] ?? 0);
    const startedAtMs = (bootedAtSeconds + ticks / TICKS_A_SECOND) * 1000;
    return [{ pid, startedAtMs, args: read(files, `/proc/${pid}/cmdline`).split('\0').slice(1, -1) }];
  });
}

/** The value of a flag as Go programs take it: `--name value`, `--name=value`, one dash or two. */
export function flagValue(args: readonly string[], ...names: string[]): string | undefined {
  for (const [at, arg] of args.entries()) {
    const [, name = '', inline] = /^--?([a-z-]+)(?:=(.*))?$/.exec(arg) ?? [];
    if (names.includes(name)) return inline ?? args[at + 1];
  }
  return undefined;
}

// A process may end between the listing and the look at it.
function read(files: HostFiles, path: string): string {
  try {
    return files.read(path)?.toString() ?? '';
  } catch {
    return '';
  }
}

/** What dockerd says of itself: `GET /info` of the Engine API; `undefined` when it cannot be asked. */
export function askDocker(socketPath: string, signal: AbortSignal): Promise<DockerInfo | undefined> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/info', signal }, (reply) => {
      text(reply).then(
        (body) => resolve(reply.statusCode === 200 ? (JSON.parse(body) as DockerInfo) : undefined),
        () => resolve(undefined),
      );
    });
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}

export interface DockerInfo {
  readonly ServerVersion?: string;
  readonly HttpsProxy?: string;
  readonly RegistryConfig?: { readonly Mirrors?: readonly string[] | null };
}
