import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { compileC } from '../support/compile.ts';
import type { Scope } from './scope.ts';

/** What drain.c reports. */
export interface Drained {
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly clientCpuSeconds: number;
  /** Until the first byte of the first reply, from before the connections were opened. */
  readonly firstByteMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly reconnects: number;
}

export interface Reading {
  readonly port: number;
  readonly host: string;
  /** Request targets as sent; several streams take turns at them. */
  readonly targets: readonly string[];
  /** Length of each blob. */
  readonly bytes: number;
}

/** A client that costs next to nothing: see drain.c. */
export interface Drain {
  /** Each stream reads its whole blob `repeat` times over one connection. */
  whole(reading: Reading, streams: number, repeat: number): Promise<Drained>;
  /** 16 KiB ranges at random page offsets until the time is over. */
  ranges(reading: Reading, connections: number, seconds: number): Promise<Drained>;
}

const run = promisify(execFile);

/** Compiles a C file that lies beside this one; answers the program's path. */
export function compile(scope: Scope, name: 'drain' | 'limit'): string {
  return compileC(new URL(`${name}.c`, import.meta.url), scope.dir);
}

export function createDrain(scope: Scope): Drain {
  const program = compile(scope, 'drain');
  const drain = async (mode: string, { port, host, bytes, targets }: Reading, options: object) => {
    const args = Object.entries({ port, host, size: bytes, ...options }).flatMap(([name, value]) => [
      `--${name}`,
      String(value),
    ]);
    const { stdout } = await run(program, [
      mode,
      ...args,
      ...targets.flatMap((target) => ['--target', target]),
    ]);
    return JSON.parse(stdout) as Drained;
  };
  return {
    whole: (reading, streams, repeat) => drain('whole', reading, { streams, repeat }),
    ranges: (reading, connections, seconds) =>
      drain('ranges', reading, { connections, seconds, span: 16 * 1024 }),
  };
}
