import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseSize } from '../../functions/service/config/size.ts';
import { machineFacts } from '../bench/machine.ts';
import { runScenario, SCENARIOS, type ScenarioResult } from './burst.ts';
import { runInLab } from './isolate.ts';
import { openLab } from './lab.ts';
import { formatSummary, formatVerdicts, judge, type Summary, summarise } from './lab-table.ts';
import { backFreeMemory } from './memory.ts';

// What an agent's process takes, in round figures.
const AGENT_BYTES = 512 * 2 ** 20;

/** What a run writes down. */
export interface LabFigures {
  readonly facts: Readonly<Record<string, string | number>>;
  readonly options: object;
  readonly figures: readonly (ScenarioResult & { readonly summary: Summary })[];
}

const HELP = `npm run lab -- [options]

Agents, a root, MinIO and an origin, each on a host with a link of its own, in network namespaces; every host reads
the same blob, cold. Prints what each scenario took and cost, and writes every figure to test/lab/results/.

  --only NAME     ${Object.keys(SCENARIOS).join(', ')}; may be repeated
  --agents N      hosts that read (16)
  --roots N       (1)
  --size SIZE     of the blob (512MiB)
  --chunk SIZE    (4MiB)
  --mbit N        rate of each link, both ways (200)
  --delay-ms N    how far roots, S3 and the origin are, one way (0)
  --json FILE     write the figures there instead
  --help

Needs root, ip, tc, iptables, cc, and memory for all caches: agents × size × scenarios.
`;

/** @throws Error naming the option. */
function sizeOf(option: string, text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined)
    throw new Error(`${option} is a size such as 64MiB; ${JSON.stringify(text)} is not`);
  return bytes;
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      agents: { type: 'string', default: '16' },
      roots: { type: 'string', default: '1' },
      size: { type: 'string', default: '512MiB' },
      chunk: { type: 'string', default: '4MiB' },
      mbit: { type: 'string', default: '200' },
      'delay-ms': { type: 'string', default: '0' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const facts = machineFacts();
  const results: ScenarioResult[] = [];
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    if (values.only !== undefined && !values.only.includes(name)) continue;
    await using lab = await openLab({
      agents: Number(values.agents),
      roots: Number(values.roots),
      mbit: Number(values.mbit),
      chunkSize: values.chunk,
      ...(Number(values['delay-ms']) > 0 && { delayMs: Number(values['delay-ms']) }),
    });
    const size = sizeOf('--size', values.size);
    await using _memory = await backFreeMemory(lab.dir, Number(values.agents) * (size + AGENT_BYTES));
    const result = await runScenario(lab, { name, size, ...scenario }, sizeOf('--chunk', values.chunk));
    results.push(result);
    const summary = summarise(result);
    console.log(formatSummary(summary));
    console.log(formatVerdicts(judge(summary)));
  }
  const figures = results.map((result) => ({ summary: summarise(result), ...result }));
  const written: LabFigures = { facts, options: values, figures };
  const text = `${JSON.stringify(written, null, 1)}\n`;
  const folder = fileURLToPath(new URL('results/', import.meta.url));
  if (values.json === undefined) mkdirSync(folder, { recursive: true });
  const path = values.json ?? `${folder}${new Date().toISOString().slice(0, 10)}-lab.json`;
  writeFileSync(path, text);
  console.log(`\nevery figure: ${relative(process.cwd(), path)}`);
  return 0;
}

await runInLab(main);
