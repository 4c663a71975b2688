import { execFileSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiles one C file into a folder; gives the program's path. */
export function compileC(source: URL, dir: string): string {
  const path = fileURLToPath(source);
  const program = join(dir, basename(path, '.c'));
  execFileSync('cc', ['-O2', '-pthread', '-Wall', '-o', program, path], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return program;
}
