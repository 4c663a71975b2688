import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machineFacts } from '../../bench/machine.ts';
import { pickFrom, seeded } from '../../support/seeded.ts';
import type { NodeMachine } from '../cluster.ts';
import { nameOf } from '../faults/fault.ts';
import { FAULTS } from '../faults/faults.ts';
import { type FaultResult, runFault, settle } from '../faults/run-fault.ts';
import { openStage } from '../faults/stage.ts';
import { runInLab } from '../isolate.ts';
import { growth, type Point } from './slope.ts';

const HELP = `npm run soak -- [options]

Reads blob after blob by all ways in while one thing after the other goes wrong, drawn at random from the faults that
"npm run faults" has. Ends with 1 when a client got a wrong byte or failed while somebody had the bytes, or when memory
or open files of a node grow.

  --minutes N   (15)
  --seed TEXT   faults of an earlier run, in its order
  --json FILE   write the figures there instead of to test/lab/results/
`;

// What a node may grow by over a run, of its mean: memory comes and goes by as much.
const FLAT = 0.2;
// Fewer points make no line.
const MIN_POINTS = 8;
const MiB = 2 ** 20;

/** Memory and open files of one node, since it was started last. */
interface Life {
  readonly pid: number;
  readonly rss: Point[];
  readonly files: Point[];
}

/** What a run writes down. */
export interface SoakFigures {
  readonly facts: Readonly<Record<string, string | number>>;
  readonly seed: string;
  readonly minutes: number;
  readonly reads: number;
  readonly results: readonly (FaultResult & { readonly at: number })[];
  readonly nodes: readonly { readonly name: string; readonly growth: Growth; readonly life: Life }[];
  readonly complaints: readonly string[];
}

interface Growth {
  readonly rss: number;
  readonly files: number;
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
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
  console.log(`seed ${seed}, ${minutes} minutes`);
  const random = seeded(seed);
  const facts = machineFacts();
  await using stage = await openStage();
  await settle(stage);

  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  const lives = new Map<NodeMachine, Life>();
  const results: (FaultResult & { at: number })[] = [];
  while (seconds() < minutes * 60) {
    const fault = pickFrom(random, FAULTS);
    const at = seconds();
    const result = await runFault(stage, fault);
    results.push({ at, ...result });
    await settle(stage);
    for (const node of [...stage.cluster.roots, ...stage.cluster.agents]) look(lives, node, seconds());
    const took = `${result.seconds.toFixed(1)} s`;
    console.log(`${at.toFixed(0).padStart(5)} s  ${nameOf(fault).padEnd(66)} ${took}`);
    for (const complaint of result.complaints) console.log(`  WRONG ${complaint}`);
  }

  const nodes = [...lives].map(([{ host }, life]) => ({
    name: host.name,
    growth: { rss: growth(life.rss), files: growth(life.files) },
    life,
  }));
  const complaints = [...results.flatMap((result) => result.complaints), ...nodes.flatMap(complaintsOf)];
  const reads = results.reduce((sum, { spared, struck }) => sum + spared.length + struck.length, 0);
  console.log(`\n${results.length} faults, ${reads} reads of a whole blob, seed ${seed}`);
  for (const { name, growth: grown, life } of nodes) {
    const [rss, files] = [life.rss.at(-1)?.value ?? 0, life.files.at(-1)?.value ?? 0];
    console.log(
      `${name.padEnd(8)} ${life.rss.length} looks, memory ${(rss / MiB).toFixed(0)} MiB (${percent(grown.rss)}), open files ${files} (${percent(grown.files)})`,
    );
  }
  for (const complaint of complaints) console.log(`WRONG ${complaint}`);
  console.log(complaints.length === 0 ? 'nothing wrong' : `${complaints.length} things wrong`);

  const figures: SoakFigures = { facts, seed, minutes, reads, results, nodes, complaints };
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  if (values.json === undefined) mkdirSync(folder, { recursive: true });
  const path = values.json ?? `${folder}${new Date().toISOString().slice(0, 10)}-soak.json`;
  writeFileSync(path, `${JSON.stringify(figures, null, 1)}\n`);
  console.log(`every figure: ${relative(process.cwd(), path)}`);
  return complaints.length === 0 ? 0 : 1;
}

/** A node that was started anew begins anew. */
function look(lives: Map<NodeMachine, Life>, node: NodeMachine, seconds: number): void {
  const pid = node.program.workerPid;
  const known = lives.get(node);
  const life = known?.pid === pid ? known : { pid, rss: [], files: [] };
  life.rss.push({ seconds, value: node.program.rssBytes() });
  life.files.push({ seconds, value: node.program.openFiles() });
  lives.set(node, life);
}

function complaintsOf({ name, growth: grown, life }: { name: string; growth: Growth; life: Life }): string[] {
  if (life.rss.length < MIN_POINTS) return [];
  return Object.entries(grown)
    .filter(([, share]) => share > FLAT)
    .map(([what, share]) => `${name}: ${what} grew by ${percent(share)}`);
}

const percent = (share: number) => `${share >= 0 ? '+' : ''}${(share * 100).toFixed(0)} %`;

await runInLab(main);
