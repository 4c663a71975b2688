// Runs the test files, each in a process of its own: `npm test [-- [--verbose] [--jobs N] [--limit S] [--dir D] WORD…]`.
import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compileTests } from './support/compile-tests.ts';
import { installPrograms } from './support/install.ts';
import { PROGRAMS, type Program, type Skip, skipLine } from './support/programs.ts';
import type { Outcome } from './support/run-file.ts';

interface FileResult {
  passed: number;
  failed: number;
  skipped: number;
}

// Those that use a processor for less than half of their time, for they wait for limits, polls and pauses: one of them
// at a time runs beside the jobs.
const WAITING = ['members', 'origin-faults', 'failover', 'digest', 'docker-pull', 'private', 'podman-pull'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    verbose: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '3' },
    limit: { type: 'string', default: '240' },
    dir: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
  },
});
const { dir } = values;
const limitMs = Number(values.limit) * 1000;
const requireReal = process.env.REQUIRE_REAL === '1';
const running = new Set<ChildProcess>();

// Those with real programs first: they take longest, and what is short evens the end out.
const isShort = (file: string) => Number(!file.startsWith('system/'));
const files = (readdirSync(dir, { recursive: true }) as string[])
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => positionals.length === 0 || positionals.some((word) => file.includes(word)))
  .sort((a, b) => isShort(a) - isShort(b) || (a < b ? -1 : 1));

await installPrograms(programsOf(files));
using compiled = await compileTests(dir, files);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) killTree(child);
    compiled[Symbol.dispose]();
    process.exit(1);
  });
}

const results: FileResult[] = [];
const isWaiting = (file: string) => WAITING.some((name) => file === `system/${name}.test.ts`);
const [waiting, working] = [
  files.filter(isWaiting).values(),
  files.filter((file) => !isWaiting(file)).values(),
];
const jobs = Number(values.jobs);
const lanes = Array.from({ length: jobs }, () => [working, waiting]);
await Promise.all((jobs > 1 ? [...lanes, [waiting]] : lanes).map(runAll));
const sum = (part: keyof FileResult) => results.reduce((total, result) => total + result[part], 0);
const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')];
const none = passed + failed === 0;
if (none)
  console.log(`no test ran: ${files.length} files match ${positionals.join(' ') || 'test/**/*.test.ts'}`);
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || none ? 1 : 0;

/** The programs that the files name: only these are worth installing. What tests the runner names some in vain. */
function programsOf(files: readonly string[]): Program[] {
  const product = files.filter((file) => !file.startsWith('support/'));
  const text = product.map((file) => readFileSync(join(dir, file), 'utf8')).join('\n');
  return (Object.keys(PROGRAMS) as Program[]).filter((program) => text.includes(`'${program}'`));
}

/** Runs what is left of these, one after the other. */
async function runAll(queues: readonly Iterable<string>[], job: number): Promise<void> {
  for (const queue of queues) for (const file of queue) results.push(await runFile(file, job));
}

async function runFile(file: string, job: number): Promise<FileResult> {
  const startedMs = performance.now();
  const module = compiled.moduleOf(file);
  if (module instanceof Error) {
    console.log(
      `FAILED  ${relative(process.cwd(), join(dir, file))}\n        does not compile: ${module.message}`,
    );
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const child = fork(compiled.runner, [module], {
    execArgv: ['--enable-source-maps'],
    // By which files that run side by side take other ports.
    env: { ...process.env, TEST_JOB: String(job) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A group of its own, so that what the file has started ends with it.
    detached: true,
  });
  running.add(child);
  const skips: Skip[] = [];
  const output: Buffer[] = [];
  let outcome: Outcome | undefined;
  let hung = false;
  child.on('message', (message: Outcome | Skip) => {
    if ('program' in message) skips.push(message);
    else outcome = message;
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => (values.verbose ? process.stdout.write(data) : output.push(data)));
  }
  const timer = setTimeout(() => {
    hung = true;
    killTree(child);
  }, limitMs);
  const exit = await new Promise<string>((resolve) => {
    // Not "close": a process that the file left behind may hold its output open.
    child.once('exit', (code, signal) => setImmediate(resolve, signal ?? String(code)));
    child.once('error', (error) => resolve(error.message));
  });
  clearTimeout(timer);
  killTree(child);
  running.delete(child);

  const complaints = faultsOf(outcome, skips, hung, exit);
  const missed = outcome === undefined ? 0 : outcome.total - outcome.passed;
  const refused = requireReal ? skips.length : 0;
  const result = {
    passed: outcome?.passed ?? 0,
    failed: missed + complaints.length + refused,
    skipped: skips.length - refused,
  };
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  if (result.failed > 0) process.stdout.write(Buffer.concat(output));
  console.log(
    `${result.failed > 0 ? 'FAILED' : 'ok    '}  ${relative(process.cwd(), join(dir, file))}  ${result.passed} passed, ${seconds} s`,
  );
  for (const complaint of complaints) console.log(`        ${complaint}`);
  for (const skip of skips)
    console.log(`${skipLine(skip)}${requireReal ? '; REQUIRE_REAL=1 makes it a failure' : ''}`);
  return result;
}

/** What is wrong with a file beyond its failed tests: each of these would else look like a success. */
function faultsOf(
  outcome: Outcome | undefined,
  skips: readonly Skip[],
  hung: boolean,
  exit: string,
): string[] {
  if (hung) return [`hung: not done after ${limitMs / 1000} s, killed`];
  if (outcome === undefined) return [`ended (${exit}) before its tests were finished`];
  const faults: string[] = [];
  if (exit !== '0') faults.push(`ended with ${exit} after its tests`);
  if (outcome.suites === 0) faults.push('no suite was run: the last line must be `….run();`');
  if (outcome.suites > 0 && outcome.total + outcome.skipped === 0) faults.push('its suites are empty');
  if (outcome.skipped > skips.length) {
    faults.push(
      `${outcome.skipped - skips.length} tests were held back by .only or .skip; use need() for real programs`,
    );
  }
  return faults;
}

function killTree(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nothing is left of it.
  }
}
