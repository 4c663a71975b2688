// Runs one test file in a process of its own and sends what came of it to test/run.ts.
import { pathToFileURL } from 'node:url';

/** What came of a file's suites; the runner takes a file that sends none of these for failed. */
export interface Outcome {
  readonly suites: number;
  readonly total: number;
  readonly passed: number;
  readonly skipped: number;
}

type SuiteResult = [errors: string | true, passed: number, skipped: number, total: number];
type Queue = [name: null, ...suites: (() => Promise<SuiteResult>)[]];

declare global {
  // Where uvu collects suites, and what keeps it from running them by itself (uvu/run does the same).
  var UVU_DEFER: number;
  var UVU_QUEUE: Queue[];
}

const OPEN_LIMIT_MS = 5_000;

globalThis.UVU_DEFER = 1;
globalThis.UVU_QUEUE = [[null]];
await import(pathToFileURL(process.argv[2] as string).href);

const [, ...suites] = globalThis.UVU_QUEUE[0] as Queue;
let [total, passed, skipped] = [0, 0, 0];
for (const runSuite of suites) {
  const [errors, ran, skips, all] = await runSuite();
  [total, passed, skipped] = [total + all, passed + ran, skipped + skips];
  if (errors !== true) console.log(`\n${errors}`);
}
const outcome: Outcome = { suites: suites.length, total, passed, skipped };
process.send?.(outcome);
process.disconnect?.();

// What a test leaves open would keep this process for ever; better to name it and go.
setTimeout(() => {
  const open = process.getActiveResourcesInfo().filter((name) => name !== 'Timeout');
  console.log(`still open ${OPEN_LIMIT_MS / 1000} s after the tests: ${open.join(', ') || 'a timer'}`);
  process.exit();
}, OPEN_LIMIT_MS).unref();
