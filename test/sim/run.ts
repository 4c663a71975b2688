// npm run sim: simulates pulls of one blob by many hosts at once. See --help.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { calibrate } from './calibrate.ts';
import {
  type Case,
  FAULTS,
  type FaultName,
  SETUPS,
  type SetupName,
  scenarioOf,
  starSeconds,
  WAYS,
  type WayName,
} from './cases.ts';
import { Results } from './results.ts';
import { simulate } from './simulate.ts';

const MiB = 2 ** 20;
const SETUP_NAMES = Object.keys(SETUPS) as SetupName[];
const WAY_NAMES = Object.keys(WAYS) as WayName[];
const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

const HELP = `npm run sim -- [options]

Simulates pulls of one blob by many hosts at once, cold, with the picker, owner and fan-out code of the agents, and
compares with trees and a star. Prints a line a case; writes results.json and results.svg to test/sim/results/.

  --setup NAME    ${SETUP_NAMES.join(', ')}; may be repeated (kraken, 10gbit)
  --way NAME      ${WAY_NAMES.map((name) => `"${name}"`).join(', ')};
                  may be repeated (all)
  --fault NAME    ${FAULT_NAMES.map((name) => `"${name}"`).join(', ')}; may be repeated (all, trees: none)
  --hosts N       may be repeated (100, 1000, 2600, 10000; lab: 16)
  --chunk MIB     size of a chunk (4)
  --seed TEXT     (1)
  --lab FILE      simulate the burst of a run of npm run lab instead, and say by how much it is off: lab.json
  --out DIR       where to write; what is there of other cases stays, so a run can be gone on with
  --missing       simulate those cases alone that are not there
  --table         print what is there as a table, and simulate nothing
  --no-write      print only
  --help
`;

const { values } = parseArgs({
  options: {
    setup: { type: 'string', multiple: true, default: ['kraken', '10gbit'] },
    way: { type: 'string', multiple: true, default: WAY_NAMES },
    fault: { type: 'string', multiple: true, default: FAULT_NAMES },
    hosts: { type: 'string', multiple: true, default: ['100', '1000', '2600', '10000'] },
    chunk: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
    lab: { type: 'string' },
    out: { type: 'string', default: fileURLToPath(new URL('results/', import.meta.url)) },
    missing: { type: 'boolean', default: false },
    table: { type: 'boolean', default: false },
    'no-write': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const results = Results.open(values.out);
if (values.help) process.stdout.write(HELP);
else if (values.table) console.log(results.table());
else if (values.lab !== undefined) compare(values.lab);
else for (const one of cases()) await run(one);

function compare(path: string): void {
  const compared = calibrate(JSON.parse(readFileSync(path, 'utf8')), values.seed);
  for (const { figure, lab, simulated, off } of compared) {
    const parts = [
      `lab ${lab.toFixed(2)}`,
      `simulated ${simulated.toFixed(2)}`,
      Number.isFinite(off) ? `${(100 * off).toFixed(0)} %` : 'none in the lab',
    ];
    console.log(`${figure}: ${parts.join(', ')}`);
  }
  if (values['no-write']) return;
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, 'lab.json'), `${JSON.stringify(compared, null, 1)}\n`);
}

function* cases(): Iterable<Case> {
  const setups = oneOf('--setup', SETUP_NAMES, values.setup);
  const ways = oneOf('--way', WAY_NAMES, values.way);
  const faults = oneOf('--fault', FAULT_NAMES, values.fault);
  const chunkBytes = whole('--chunk', values.chunk) * MiB;
  const sizes = values.hosts.map((text) => whole('--hosts', text)).sort((a, b) => a - b);
  for (const hosts of sizes) {
    for (const setup of setups) {
      for (const way of ways) {
        for (const fault of faults) {
          // A tree that never changes does not outlive a crash: there is nothing to be measured.
          if (WAYS[way].way === 'tree' && fault !== 'none') continue;
          const one = { setup, way, hosts, fault, chunkBytes, seed: values.seed };
          if (!(values.missing && results.has(one))) yield one;
        }
      }
    }
  }
}

async function run(one: Case): Promise<void> {
  const outcome = simulate(scenarioOf(one));
  const { idealSeconds, p50, p99, p999, maxUplinkBlobs, originBlobs, rootBlobs, unfinished } = outcome;
  const ideals = (seconds: number) =>
    `${seconds.toFixed(2)} s (${(seconds / idealSeconds).toFixed(2)} x ideal)`;
  const facts = [
    `p50 ${ideals(p50)}, p99 ${ideals(p99)}, p99.9 ${ideals(p999)}`,
    `most uplink ${maxUplinkBlobs.toFixed(2)} x, origin ${originBlobs.toFixed(2)} x, root ${rootBlobs.toFixed(2)} x the blob`,
    `star ${ideals(starSeconds(one))}`,
    ...(unfinished > 0 ? [`${unfinished} UNFINISHED`] : []),
  ];
  console.log(`${one.setup}, ${one.hosts} hosts, ${one.way}, faults: ${one.fault}\n  ${facts.join('\n  ')}`);
  if (!values['no-write']) await results.add({ ...one, outcome });
}

/** @throws Error naming the option and what it may be. */
function oneOf<T extends string>(option: string, allowed: readonly T[], given: readonly string[]): T[] {
  return given.map((value) => {
    const known = allowed.find((name) => name === value);
    if (known === undefined)
      throw new Error(`${option} may be ${allowed.join(', ')}; "${value}" is none of them`);
    return known;
  });
}

function whole(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`${option} is a whole number from 1; "${text}" is not`);
  return number;
}
