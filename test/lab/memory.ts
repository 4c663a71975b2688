import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freemem } from 'node:os';
import { compileC } from '../support/compile.ts';

// The rest is for what runs meanwhile.
const MOST_OF_FREE = 0.7;

/**
 * Has so much of the memory that is free backed, as a machine's own is: a virtual machine's that is free for some seconds
 * goes back to its host, and costs several times as much when it is next touched. It lasts for about a minute.
 *
 * @throws Error where that fails: what is measured then would be the host's doing.
 */
export async function backFreeMemory(dir: string, bytes: number): Promise<AsyncDisposable> {
  const program = compileC(new URL('back.c', import.meta.url), dir);
  const backed = Math.floor(Math.min(bytes, freemem() * MOST_OF_FREE));
  const child = spawn(program, [String(backed)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [said] = await Promise.race([once(child.stdout, 'data'), ended]);
  if (!Buffer.isBuffer(said)) throw new Error(`${backed} bytes of free memory could not be backed`);
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}
