import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createDrain } from './drain.ts';
import { GB, machineFacts, requireDisk } from './machine.ts';
import { startOrigin } from './nginx.ts';
import { isBuilt } from './node.ts';
import { type Bench, PART_NAMES, runPart, type Sample, writeBlobs } from './parts.ts';
import { openScope } from './scope.ts';
import { COLD_SIDES, HOT_SIDES, isOurs, type SideName } from './sides.ts';
import { formatStartup, measureStartup } from './startup.ts';
import { formatDisturbance, formatTable, formatVerdicts, judge, summarise } from './table.ts';

const SIDES: readonly SideName[] = [...new Set([...HOT_SIDES, ...COLD_SIDES])];

/** Has no sides, and is measured by itself. */
const STARTUP = 'startup';
const ALL_PARTS = [...PART_NAMES, STARTUP] as const;
// A start takes little.
const STARTUP_ROUNDS = { quick: 5, full: 25 };

const HELP = `npm run bench -- [options]

Measures this program side by side with nginx: hot reads, small ranges, cold reads, and cold reads from an
origin behind a slow link; and the start-up of a function beside that of node. Prints medians and ratios; writes every
sample to test/bench/results/.

  --only PART     ${ALL_PARTS.join(', ')}; may be repeated
  --sides NAME    ${SIDES.join(', ')}; may be repeated
  --rounds N      rounds of each measure (5)
  --quick         smaller blobs, 3 rounds: to see whether it works, not to quote
  --no-write      print only
  --help

Needs nginx, cc and about 25 GB of disk under the temporary directory while it runs. Run it on an otherwise
quiet machine, and read the ratios: absolute numbers move with the hour.
`;

/** @throws Error naming the option and what it may be. */
function oneOf<T extends string>(option: string, allowed: readonly T[], given: readonly string[]): T[] {
  return given.map((value) => {
    const known = allowed.find((name) => name === value);
    if (known === undefined)
      throw new Error(`${option} may be ${allowed.join(', ')}; ${JSON.stringify(value)} is none of them`);
    return known;
  });
}

function parseOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      sides: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      'no-write': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 5));
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds is a whole number from 1; ${JSON.stringify(values.rounds)} is not`);
  return {
    parts: oneOf('--only', ALL_PARTS, values.only ?? ALL_PARTS),
    sides: oneOf('--sides', SIDES, values.sides ?? SIDES),
    rounds,
    quick: values.quick,
    write: !values['no-write'],
    help: values.help,
  };
}

function requirePrograms(): void {
  for (const [program, source] of [
    ['nginx', 'apt-get install nginx'],
    ['cc', 'apt-get install gcc libc6-dev'],
  ] as const) {
    try {
      execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    } catch (cause) {
      throw new Error(`the bench needs ${program}: ${source}`, { cause });
    }
  }
}

function writeResults(parts: readonly (typeof ALL_PARTS)[number][], quick: boolean, result: object): string {
  const what = (parts.length === PART_NAMES.length ? 'all' : parts.join('-')) + (quick ? '-quick' : '');
  const date = new Date().toISOString().slice(0, 10);
  const folder = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const path = `${folder}${date}-${what}.json`;
  writeFileSync(path, `${JSON.stringify(result, null, 1)}\n`);
  return relative(process.cwd(), path);
}

async function main(args: readonly string[]): Promise<void> {
  const { parts, sides, rounds, quick, write, help } = parseOptions(args);
  const report = (line: string) => console.log(line);
  if (help) return report(HELP);
  if (parts.includes(STARTUP)) {
    const result = await measureStartup(STARTUP_ROUNDS[quick ? 'quick' : 'full'], report);
    report(formatStartup(result));
    if (write)
      report(`\nevery sample: ${writeResults([STARTUP], quick, { facts: machineFacts(), ...result })}`);
  }
  const measured = PART_NAMES.filter((name) => parts.includes(name));
  if (measured.length === 0) return;
  requirePrograms();
  if (!isBuilt() && sides.some(isOurs))
    report('dist/ is not built (npm run build): MEASURING NGINX ONLY, no side of ours');

  const scope = openScope();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      scope.close();
      process.exit(1);
    });
  try {
    requireDisk(scope.dir, 25 * GB);
    const origin = await startOrigin(scope);
    const bench: Bench = { scope, drain: createDrain(scope), origin, rounds, quick, sides, report };
    writeBlobs(bench);
    const facts = machineFacts();
    const samples: Sample[] = [];
    for (const part of measured) for await (const sample of runPart(bench, part)) samples.push(sample);
    const rows = summarise(samples);
    const verdicts = judge(rows);
    report(formatTable(rows));
    report(`\n${formatDisturbance(samples)}`);
    if (verdicts.length > 0) report(`\n${formatVerdicts(verdicts)}`);
    if (write) {
      const path = writeResults(measured, quick, { facts, rounds, quick, rows, verdicts, samples });
      report(`\nevery sample: ${path}`);
    }
  } finally {
    scope.close();
  }
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? `bench: ${error.message}` : error);
  process.exitCode = 1;
});
