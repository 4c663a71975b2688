import { execFile } from 'node:child_process';
import { programCommand } from './node-process.ts';
import { PATIENCE_MS } from './until.ts';

/** What a run of our program came to. */
export interface Outcome {
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}

/** Runs `dadip2p` with these arguments, as a user does, until it ends. */
export function dadip2p(...args: string[]): Promise<Outcome> {
  const [program, programArgs] = programCommand();
  return new Promise((resolve) => {
    execFile(program, [...programArgs, ...args], { timeout: PATIENCE_MS }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err }),
    );
  });
}
