import { execFile } from 'node:child_process';
import { programCommand } from './node-process.ts';

/** What a run of our program came to. */
export interface Outcome {
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}

const TIMEOUT_MS = 30_000;

/** Runs `dadip2p` with these arguments, as a user does, until it ends. */
export function dadip2p(...args: string[]): Promise<Outcome> {
  const [program, programArgs] = programCommand();
  return new Promise((resolve) => {
    execFile(program, [...programArgs, ...args], { timeout: TIMEOUT_MS }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err }),
    );
  });
}
