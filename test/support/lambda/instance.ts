import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** What a call came to. */
export type Outcome =
  | { readonly kind: 'returned'; readonly payload: string }
  /** Its output tells what. */
  | { readonly kind: 'threw' }
  /** Its process ended before it returned. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'late' };

interface Message {
  readonly ready?: true;
  readonly returned?: string;
  readonly threw?: true;
}

const BOOTSTRAP = fileURLToPath(new URL('./bootstrap.mjs', import.meta.url));

/**
 * One instance of a function: a process of its own, which takes one call at a time and is stopped (SIGSTOP) between
 * calls, so that no timer, socket or write of it gets on: what it had not finished when it returned may never be.
 */
export class Instance {
  readonly pid: number;
  /** True while it answers a call; only then does it run. */
  isBusy = false;
  calls = 0;
  readonly #child: ChildProcess;
  readonly #ready: Promise<boolean>;
  readonly #printed: Buffer[] = [];
  #take: (message: Message | undefined) => void = () => {};

  /** `bundle` is an ES module with a `handler`; `env` is all its environment. */
  constructor(bundle: string, env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [BOOTSTRAP, bundle], {
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.pid = this.#child.pid ?? 0;
    this.#ready = new Promise((resolve) => {
      this.#take = (message) => resolve(message?.ready === true);
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (data: Buffer) => this.#printed.push(data));
    }
    this.#child.on('message', (message) => this.#take(message as Message));
    this.#child.once('exit', () => this.#take(undefined));
    // A stopped process cannot notice that its parent is gone.
    process.once('exit', this.kill);
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What it has printed so far. */
  output(): string {
    return Buffer.concat(this.#printed).toString();
  }

  /** One call; the instance is frozen when this resolves, or dead. The first waits until the function is loaded. */
  async call(event: object, context: object, timeoutMs: number): Promise<Outcome> {
    this.isBusy = true;
    this.calls += 1;
    try {
      if (this.calls === 1 && !(await this.#ready)) return { kind: 'ended' };
      this.#child.kill('SIGCONT');
      const message = await this.#ask({ event, context, deadlineMs: Date.now() + timeoutMs }, timeoutMs);
      if (message === 'late') {
        await this.end();
        return { kind: 'late' };
      }
      this.#child.kill('SIGSTOP');
      if (message?.returned !== undefined) return { kind: 'returned', payload: message.returned };
      return { kind: message?.threw === undefined ? 'ended' : 'threw' };
    } finally {
      this.isBusy = false;
    }
  }

  /** Kills it, whatever it is doing; that is how every instance ends. */
  kill = (): void => {
    this.#child.kill('SIGKILL');
  };

  /** Kills it and waits for its end. */
  async end(): Promise<void> {
    process.off('exit', this.kill);
    if (this.hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.kill();
    await ended;
  }

  #ask(call: object, timeoutMs: number): Promise<Message | undefined | 'late'> {
    return new Promise((resolve) => {
      if (this.hasEnded) return resolve(undefined);
      const timer = setTimeout(() => resolve('late'), timeoutMs);
      this.#take = (message) => {
        clearTimeout(timer);
        resolve(message);
      };
      // What cannot be sent has no process to take it: `exit` tells.
      this.#child.send(call, () => {});
    });
  }
}
