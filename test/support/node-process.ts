import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Settings } from '../../functions/service/config/settings.ts';
import { endProcess } from './daemon.ts';
import { type Hosts, withHosts } from './own-hosts.ts';
import { enterPlace, HERE, type Place } from './place.ts';
import { tempDir } from './temp-dir.ts';
import { PATIENCE_MS, until } from './until.ts';

/** Settings as a configuration file gives them: any part, sizes and times also as text. */
export type Configured<T> = T extends object
  ? T extends readonly unknown[]
    ? T
    : { readonly [K in keyof T]?: Configured<T[K]> }
  : T | (T extends number ? string : never);

/** How a node starts. */
export interface NodeOptions {
  /** Laid over a node on free ports of 127.0.0.1 with a cache folder of its own. */
  readonly settings?: Configured<Settings>;
  readonly env?: Readonly<Record<string, string>>;
  /** Names that it knows beside those of DNS; takes root. */
  readonly hosts?: Hosts;
  /** Where it runs; there it listens on the ports that its settings name. Default: here. */
  readonly place?: Place;
  /** After `-c FILE`. */
  readonly args?: readonly string[];
}

/** One line of a node's log. */
export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A real node of ours, supervisor and worker, as a user runs it. */
export interface NodeProcess extends AsyncDisposable {
  /** The supervisor's. */
  readonly pid: number;
  /** The worker's, of late: another one after each crash. */
  readonly workerPid: number;
  /** `http://<address>:<p2p port>`; the address is 127.0.0.1 unless it has a place of its own. */
  readonly url: string;
  /** Of its admin port, in the same form. */
  readonly adminUrl: string;
  readonly p2pPort: number;
  readonly adminPort: number;
  /** 0 on a root, which has none. */
  readonly proxyPort: number;
  /** Its cache folder, which outlives a stop and ends with the value. */
  readonly cacheDir: string;
  /** What it has logged so far; lines that are not JSON are left out. */
  logs(event?: string): LogLine[];
  /** All it has printed so far. */
  output(): string;
  /** Sends a signal to the supervisor and waits for its end; gives its exit code, or what signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
  /** Kills the worker without notice; resolves when another one serves, with its pid. */
  killWorker(): Promise<number>;
  /** Memory that the worker holds in RAM, from /proc: Linux alone. */
  rssBytes(): number;
  /** Files, sockets and pipes that the worker has open, from /proc. */
  openFiles(): number;
  /** The settings that it was started with, to start another like it. */
  readonly settings: Configured<Settings>;
}

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

/**
 * The command line that runs our program: from source, or as it was built when NODE_FROM is "dist", as `npm test` says,
 * which has built it anew: each of some hundred nodes then starts in a third of the time.
 */
export function programCommand(): [command: string, args: string[]] {
  const built = process.env.NODE_FROM === 'dist';
  if (built) return [process.execPath, [join(REPOSITORY, 'dist/sidecar/main.js')]];
  return [process.execPath, ['--import', 'tsx', join(REPOSITORY, 'sidecar/main.ts')]];
}

/**
 * Starts a node and waits until it serves.
 *
 * @throws Error with all that it printed when it ends before that.
 */
export async function startNode({
  settings = {},
  env = {},
  hosts,
  place = HERE,
  args = [],
}: NodeOptions = {}): Promise<NodeProcess> {
  const dir = await tempDir();
  const cacheDir = settings.P2PConfig?.CacheConfig?.FileCachePath ?? join(dir.path, 'cache');
  const whole = mergeSettings(defaultsOf(cacheDir), settings);
  const file = join(dir.path, 'dadip2p.yaml');
  // JSON is YAML.
  await writeFile(file, JSON.stringify(whole, null, 2));

  const [program, programArgs] = programCommand();
  const plain = enterPlace(place, program, [...programArgs, '-c', file, ...args]);
  const [command, commandArgs] = hosts === undefined ? plain : await withHosts(dir.path, hosts, plain);
  const child = spawn(command, commandArgs, {
    cwd: REPOSITORY,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => printed.push(data));
  const output = () => Buffer.concat(printed).toString();
  const logs = (event?: string) =>
    output()
      .split('\n')
      .flatMap(parseLine)
      .filter((line) => event === undefined || line.event === event);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const readyLine = () => logs('node_ready').at(-1);
  const port = (name: string) => Number(logs('node_ready')[0]?.[name] ?? 0);

  const node: NodeProcess = {
    pid: child.pid ?? 0,
    get workerPid() {
      return Number(readyLine()?.workerPid);
    },
    get url() {
      return `http://${place.address}:${node.p2pPort}`;
    },
    get adminUrl() {
      return `http://${place.address}:${node.adminPort}`;
    },
    get p2pPort() {
      return port('p2pPort');
    },
    get adminPort() {
      return port('adminPort');
    },
    get proxyPort() {
      return port('proxyPort');
    },
    cacheDir,
    settings: whole,
    logs,
    output,
    async stop(signal = 'SIGTERM') {
      if (!hasEnded()) {
        const ended = once(child, 'exit', { signal: AbortSignal.timeout(PATIENCE_MS) });
        child.kill(signal);
        await ended;
      }
      return child.signalCode ?? child.exitCode ?? 0;
    },
    async killWorker() {
      const before = node.workerPid;
      process.kill(before, 'SIGKILL');
      await until('another worker', () => node.workerPid !== before);
      return node.workerPid;
    },
    rssBytes: () => rssOf(node.workerPid),
    openFiles: () => readdirSync(`/proc/${node.workerPid}/fd`).length,
    async [Symbol.asyncDispose]() {
      await node.stop('SIGKILL');
      // A worker ends when its supervisor does, but not always before this process looks.
      for (const { workerPid } of logs('node_ready')) await endProcess(Number(workerPid), 'SIGKILL');
      await dir[Symbol.asyncDispose]();
    },
  };

  try {
    await until('the node to be ready', () => hasEnded() || readyLine() !== undefined);
    if (readyLine() === undefined) throw new Error(`it ended with ${child.signalCode ?? child.exitCode}`);
  } catch (cause) {
    await node[Symbol.asyncDispose]();
    throw new Error(`the node did not start:\n${output()}`, { cause });
  }
  return node;
}

const defaultsOf = (cacheDir: string): Configured<Settings> => ({
  LogLevel: 'info',
  ProxyConfig: { Host: '127.0.0.1', Port: 0 },
  P2PConfig: { Host: '127.0.0.1', Port: 0, CacheConfig: { FileCachePath: cacheDir } },
  Admin: { Host: '127.0.0.1', Port: 0 },
});

/** Settings laid over others: objects merge, anything else replaces. */
export const mergeSettings = (
  base: Configured<Settings>,
  over: Configured<Settings> | undefined,
): Configured<Settings> => merge(base, over) as Configured<Settings>;

function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over === undefined ? base : over;
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries([...keys].map((key) => [key, merge(base[key], over[key])]));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseLine(line: string): LogLine[] {
  try {
    return line.startsWith('{') ? [JSON.parse(line)] : [];
  } catch {
    return [];
  }
}

/** Resident memory of a process, in bytes. */
function rssOf(pid: number): number {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return 0;
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(path, 'utf8'))?.[1] ?? 0) * 1024;
}
