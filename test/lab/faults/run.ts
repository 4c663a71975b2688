import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machineFacts } from '../../bench/machine.ts';
import { runInLab } from '../isolate.ts';
import { type LabFault, nameOf } from './fault.ts';
import { FAULTS } from './faults.ts';
import { type FaultResult, runFault, settle } from './run-fault.ts';
import { openStage } from './stage.ts';
import { formatRow, writeReadme } from './table.ts';

const NONE: LabFault = { of: 'nothing', how: 'fails', begin: async () => {} };

const HELP = `npm run faults -- [options] [WORD…]

Lets clients read a blob through eight agents, two roots, MinIO and an origin, each on a host with a link of its own,
while something goes wrong; those whose name has one of the words, or all ${FAULTS.length}. Prints what the clients saw,
writes every figure to test/lab/results/, and, when all were run, the table in README.

  --list          names the faults
  --reference N   reads without a fault, to compare with (3)
  --json FILE     write the figures there, and no README
`;

/** What a run writes down. */
export interface FaultFigures {
  readonly facts: Readonly<Record<string, string | number>>;
  readonly reference: readonly FaultResult[];
  readonly results: readonly FaultResult[];
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      reference: { type: 'string', default: '3' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return say(HELP);
  const isWanted = (fault: LabFault) =>
    positionals.length === 0 || positionals.some((word) => nameOf(fault).includes(word));
  const wanted = FAULTS.filter(isWanted);
  if (values.list) return say(wanted.map(nameOf).join('\n'));
  if (wanted.length === 0) throw new Error(`no fault has ${positionals.join(' or ')} in its name`);

  const facts = machineFacts();
  await using stage = await openStage();
  await settle(stage);
  const run = async (fault: LabFault) => {
    const result = await runFault(stage, fault);
    await settle(stage);
    return result;
  };
  const reference: FaultResult[] = [];
  for (let turn = 0; turn < Number(values.reference); turn += 1) reference.push(await run(NONE));
  const results: FaultResult[] = [];
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  if (values.json === undefined) mkdirSync(folder, { recursive: true });
  const path = values.json ?? `${folder}${new Date().toISOString().slice(0, 10)}-faults.json`;
  for (const fault of wanted) {
    const result = await run(fault);
    results.push(result);
    console.log(formatRow(result, reference));
    for (const complaint of result.complaints) console.log(`  WRONG ${complaint}`);
    // Each time, so that a run that is ended early has not been in vain.
    const figures: FaultFigures = { facts, reference, results };
    writeFileSync(path, `${JSON.stringify(figures, null, 1)}\n`);
  }
  if (values.json === undefined && wanted.length === FAULTS.length) writeReadme(results, reference);
  console.log(`\nevery figure: ${relative(process.cwd(), path)}`);
  const wrong = results.flatMap(({ complaints }) => complaints);
  console.log(`${results.length} faults, ${wrong.length} clients that saw what they must not`);
  return wrong.length === 0 ? 0 : 1;
}

function say(text: string): number {
  console.log(text);
  return 0;
}

await runInLab(main);
