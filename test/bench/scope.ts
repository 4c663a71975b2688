import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSecondsOfTree, processTree } from './machine.ts';

/** A server under measurement: its whole process tree, from supervisor or master down. */
export interface Running {
  /** CPU seconds of the tree since it started, user and system. */
  cpuSeconds(): number;
  /** Asks with SIGTERM, insists with SIGKILL after five seconds. */
  stop(): Promise<void>;
}

export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Resolves false until the program serves. */
  isReady(signal: AbortSignal): Promise<boolean>;
}

/** What one run of the bench leaves on the machine while it runs: a directory and processes. */
export interface Scope {
  readonly dir: string;
  /** @throws Error with the end of the program's output when it exits or is not ready in 30 s. */
  start(program: Program): Promise<Running>;
  /** Leaves nothing behind; synchronous, so that it can end a process that got a signal. */
  close(): void;
}

const READY_MS = 30_000;
const TERM_MS = 5_000;
const OUTPUT_KEPT = 4_000;

/** Opens an empty scope on the disk under the system's temporary directory. */
export function openScope(): Scope {
  const dir = mkdtempSync(join(tmpdir(), 'dadip2p-bench-'));
  const children = new Set<ChildProcess>();

  async function start({ name, command, args, isReady }: Program): Promise<Running> {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (text: Buffer) => {
      output = (output + text).slice(-OUTPUT_KEPT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    let failure: unknown;
    child.on('error', (cause) => {
      failure = cause;
    });
    children.add(child);
    child.on('exit', () => children.delete(child));
    const signal = AbortSignal.timeout(READY_MS);
    while (!(await isReady(signal).catch(() => false))) {
      if (failure !== undefined || child.exitCode !== null || child.signalCode !== null)
        throw new Error(`${name} did not start: ${failure ?? output}`);
      if (signal.aborted) throw new Error(`${name} was not ready in ${READY_MS} ms: ${output}`);
      await sleep(50);
    }
    const pid = child.pid!;
    return {
      cpuSeconds: () => {
        if (!children.has(child)) throw new Error(`${name} is gone: ${output}`);
        return cpuSecondsOfTree(pid);
      },
      stop: async () => {
        if (!children.has(child)) return;
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await Promise.race([gone, sleep(TERM_MS, undefined, { ref: false })]);
        if (children.has(child)) killTree(pid);
      },
    };
  }

  function close(): void {
    for (const child of children) if (child.pid !== undefined) killTree(child.pid);
    children.clear();
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  }

  return { dir, start, close };
}

/** Parents first, so that no supervisor starts what was just ended. */
function killTree(pid: number): void {
  for (const member of processTree(pid)) {
    try {
      process.kill(member, 'SIGKILL');
    } catch {
      // It ended between the listing and here.
    }
  }
}
