import { isRunning } from '../support/daemon.ts';
import type { Host } from './network.ts';

/** A program on a host of its own, and what can happen to it. */
export interface Machine<T extends AsyncDisposable = AsyncDisposable> {
  readonly host: Host;
  /** The program that runs there now, or did last. */
  readonly program: T;
  /** Stops every process of it in its tracks, its connections left open. */
  freeze(): void;
  thaw(): void;
  /** Ends it without notice: its connections are reset. */
  kill(): Promise<void>;
  /** Starts it anew, where it does not run. */
  revive(): Promise<void>;
  readonly isAlive: boolean;
}

/** What a kind of machine is made of. */
interface Making<T> {
  start(): Promise<T>;
  /** Its processes, parents first. */
  pids(program: T): readonly number[];
}

/** Starts a program on a host. */
export async function startMachine<T extends AsyncDisposable>(
  host: Host,
  { start, pids }: Making<T>,
): Promise<Machine<T>> {
  let program = await start();
  const signal = (name: NodeJS.Signals) => {
    for (const pid of pids(program)) if (isRunning(pid)) process.kill(pid, name);
  };
  const isAlive = () => pids(program).every(isRunning);
  return {
    host,
    get program() {
      return program;
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async kill() {
      signal('SIGKILL');
      await program[Symbol.asyncDispose]();
    },
    async revive() {
      if (!isAlive()) program = await start();
    },
    get isAlive() {
      return isAlive();
    },
  };
}
