import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { until } from './until.ts';

/** A real program that runs for as long as a test needs it. Disposing it ends it, at last by SIGKILL. */
export interface Daemon extends AsyncDisposable {
  readonly pid: number;
  readonly child: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  /** Sends a signal and waits for the end; gives the exit code, or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

const GRACE_MS = 10_000;

/** Starts a program and waits until `ready` is true; fails with what it printed when it ends before that. */
export async function startDaemon(
  command: string,
  args: readonly string[],
  ready: (output: string) => boolean | Promise<boolean>,
  options: SpawnOptions = {},
): Promise<Daemon> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const printed: Buffer[] = [];
  const output = () => Buffer.concat(printed).toString();
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => printed.push(data));
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;

  const daemon: Daemon = {
    pid: child.pid ?? 0,
    child,
    output,
    async stop(signal = 'SIGTERM') {
      if (!hasEnded() && failure === undefined) {
        const ended = once(child, 'exit');
        child.kill(signal);
        const late = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
        await ended;
        clearTimeout(late);
      }
      return child.signalCode ?? child.exitCode ?? 0;
    },
    async [Symbol.asyncDispose]() {
      await daemon.stop();
    },
  };

  try {
    await until(`${command} to be ready`, () => failure !== undefined || hasEnded() || ready(output()));
    if (failure !== undefined || hasEnded()) throw new Error(`${command} ended at once`, { cause: failure });
  } catch (cause) {
    await daemon.stop('SIGKILL');
    throw new Error(`${command} did not start:\n${output()}`, { cause });
  }
  return daemon;
}

// Below those that the kernel gives to whoever asks for any (ip_local_port_range), beyond those of known services.
const [FIRST_PORT, PORTS] = [20_000, 12_000];
// As many files as ever run side by side, each with ports of its own.
const JOBS = 16;
let tried = Math.floor(Math.random() * (PORTS / JOBS));

/**
 * A port that nothing listens on, for a program that cannot say which one it took, or for one that shall find nobody
 * there. It is given once: no other test file that runs now is told the same, and nobody gets it by asking for any port.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    tried += 1;
    const port = FIRST_PORT + ((tried * JOBS + Number(process.env.TEST_JOB ?? 0)) % PORTS);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** True while a process runs. One that ended and whose parent has not looked yet (a zombie) does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return (
      process.platform !== 'linux' || !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
    );
  } catch {
    return false;
  }
}

/** Ends a process that is not a child of this one. */
export async function endProcess(pid: number, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (!isRunning(pid)) return;
  process.kill(pid, signal);
  for (let waitedMs = 0; isRunning(pid); waitedMs += 20) {
    if (waitedMs > GRACE_MS) process.kill(pid, 'SIGKILL');
    await wait(20);
  }
}
