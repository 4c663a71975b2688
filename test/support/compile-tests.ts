import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type BuildFailure, build, type Plugin } from 'esbuild';

/** Test files, compiled; the folder ends with the value. */
export interface CompiledTests extends Disposable {
  /** The module that runs the one it is given. */
  readonly runner: string;
  /** The module that stands for a test file; an error when it does not compile. */
  moduleOf(file: string): string | Error;
}

// Where packages that are not compiled in are found as they are from the sources.
const CACHE = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));
const RUNNER = fileURLToPath(new URL('run-file.ts', import.meta.url));
// They look for files of their own when they run.
const EXTERNAL = ['typescript', '@grpc/grpc-js', '@grpc/proto-loader', 'jsonc-parser', 'koffi'];

/**
 * Compiles test files with all that they import, once for all of them: loading the sources one by one costs each test
 * file up to a second of CPU time. A module keeps the URL of its source, by which tests find what stands beside them.
 */
export async function compileTests(dir: string, files: readonly string[]): Promise<CompiledTests> {
  mkdirSync(CACHE, { recursive: true });
  const outdir = mkdtempSync(join(CACHE, 'test-'));
  const failures = new Map<string, Error>();
  const runner = { in: RUNNER, out: 'run-file' };
  const entry = (file: string) => ({ in: join(dir, file), out: join('files', withoutExtension(file)) });
  try {
    await compile(outdir, [runner, ...files.map(entry)]);
  } catch {
    // One by one, so that what is wrong with one file is no other's fault.
    await compile(outdir, [runner]);
    for (const file of files) {
      await compile(outdir, [entry(file)]).catch((error: BuildFailure) => failures.set(file, error));
    }
  }
  return {
    runner: join(outdir, 'run-file.mjs'),
    moduleOf: (file) => failures.get(file) ?? join(outdir, `files/${withoutExtension(file)}.mjs`),
    [Symbol.dispose]: () => rmSync(outdir, { recursive: true, force: true }),
  };
}

const withoutExtension = (file: string) => file.replace(/\.ts$/, '');

function compile(outdir: string, entryPoints: { in: string; out: string }[]): Promise<unknown> {
  return build({
    entryPoints,
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    sourcemap: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: EXTERNAL,
    // CommonJS packages inside an ES module still call require.
    banner: {
      js: "import{createRequire as requireOfBundle}from'node:module';const require=requireOfBundle(import.meta.url);",
    },
    logLevel: 'silent',
    plugins: [KEEP_URLS],
  });
}

const KEEP_URLS: Plugin = {
  name: 'keep-urls',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const url = JSON.stringify(pathToFileURL(path).href);
      return { loader: 'ts', contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', url) };
    });
  },
};
