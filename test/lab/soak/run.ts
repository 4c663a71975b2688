import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machineFacts } from '../../bench/machine.ts';
import { pickFrom, seeded } from '../../support/seeded.ts';
import { nameOf } from '../faults/fault.ts';
import { FAULTS } from '../faults/faults.ts';
import { type FaultResult, runFault, settle } from '../faults/run-fault.ts';
import { openStage } from '../faults/stage.ts';
import { runInLab } from '../isolate.ts';
import { type Growth, type Life, Lives } from './lives.ts';
import { LOOKED_AT } from './look.ts';

const HELP = `npm run soak -- [options] [WORD…]

Reads blob after blob by all ways in while one thing after the other goes wrong, drawn at random from the faults that
"npm run faults" has, or from those whose name has one of the words. Ends with 1 when a client got a wrong byte or failed
while somebody had the bytes, when memory or open files of a node grow, or when a node does not come to rest in the end.

  --minutes N   (15)
  --seed TEXT   faults of an earlier run, in its order
  --json FILE   write the figures there instead of to test/lab/results/
`;

/** What a run writes down. */
export interface SoakFigures {
  readonly facts: Readonly<Record<string, string | number>>;
  readonly seed: string;
  readonly minutes: number;
  readonly reads: number;
  readonly results: readonly (FaultResult & { readonly at: number })[];
  readonly nodes: readonly {
    readonly name: string;
    readonly growth: Growth | undefined;
    readonly life: Life;
  }[];
  readonly complaints: readonly string[];
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      minutes: { type: 'string', default: '15' },
      seed: { type: 'string', default: String(Date.now()) },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const { seed } = values;
  const minutes = Number(values.minutes);
  const faults = FAULTS.filter(
    (fault) => positionals.length === 0 || positionals.some((word) => nameOf(fault).includes(word)),
  );
  if (faults.length === 0) throw new Error(`no fault has ${positionals.join(' or ')} in its name`);
  console.log(`seed ${seed}, ${minutes} minutes, out of ${faults.length} faults`);
  const random = seeded(seed);
  const facts = machineFacts();
  await using stage = await openStage(LOOKED_AT);
  await settle(stage);

  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  const lives = new Lives([...stage.cluster.roots, ...stage.cluster.agents]);
  const results: (FaultResult & { at: number })[] = [];
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  if (values.json === undefined) mkdirSync(folder, { recursive: true });
  const path = values.json ?? `${folder}${new Date().toISOString().slice(0, 10)}-soak.json`;
  const write = (unrest: readonly string[]): readonly string[] => {
    const complaints = [...results.flatMap((result) => result.complaints), ...lives.complaints(), ...unrest];
    const reads = readsOf(results);
    const figures: SoakFigures = { facts, seed, minutes, reads, results, nodes: lives.all(), complaints };
    writeFileSync(path, `${JSON.stringify(figures, null, 1)}\n`);
    return complaints;
  };
  while (seconds() < minutes * 60) {
    const fault = pickFrom(random, faults);
    const at = seconds();
    const result = await runFault(stage, fault);
    results.push({ at, ...result });
    await settle(stage);
    await lives.look(seconds());
    const took = `${result.seconds.toFixed(1)} s`;
    console.log(`${at.toFixed(0).padStart(5)} s  ${nameOf(fault).padEnd(66)} ${took}`);
    for (const complaint of result.complaints) console.log(`  WRONG ${complaint}`);
    // Each time, so that a run that is ended early has not been in vain.
    write([]);
  }
  const complaints = write(await lives.rest(stage.cluster.agents.length));

  console.log(`\n${results.length} faults, ${readsOf(results)} reads of a whole blob, seed ${seed}`);
  for (const line of lives.lines()) console.log(line);
  for (const complaint of complaints) console.log(`WRONG ${complaint}`);
  console.log(complaints.length === 0 ? 'nothing wrong' : `${complaints.length} things wrong`);
  console.log(`every figure: ${relative(process.cwd(), path)}`);
  return complaints.length === 0 ? 0 : 1;
}

const readsOf = (results: readonly FaultResult[]): number =>
  results.reduce((sum, { spared, struck }) => sum + spared.length + struck.length, 0);

await runInLab(main);
