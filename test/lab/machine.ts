import { isRunning } from '../support/daemon.ts';
import type { Host } from './network.ts';

type Env = Readonly<Record<string, string>>;

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
  /** Starts it anew, where it does not run; with this environment on top of its own. */
  revive(env?: Env): Promise<void>;
  readonly isAlive: boolean;
}

/** What a kind of machine is made of. */
interface Making<T> {
  start(env?: Env): Promise<T>;
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
  const machine: Machine<T> = {
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
    async revive(env) {
      if (isAlive()) return;
      // Part of it may be left, on its port.
      await machine.kill();
      program = await start(env);
    },
    get isAlive() {
      return isAlive();
    },
  };
  return machine;
}
