import { setTimeout as wait } from 'node:timers/promises';
import { until } from '../support/until.ts';
import type { NodeMachine } from './cluster.ts';
import { type Depths, depthsOf, readTraces } from './depth.ts';
import type { Lab } from './lab.ts';
import { between, type Counts, count } from './measure.ts';
import type { Pulled } from './pull.ts';
import type { Way } from './ways.ts';

const MiB = 2 ** 20;
const SAMPLE_BYTES = 64 * MiB;
// A link's bucket lets the first bytes through at once: of fewer they would be a good part.
const SAMPLE_SHARE = 4;

/** Hosts that read one blob, cold, and when each begins. */
export interface Scenario {
  readonly name: string;
  readonly size: number;
  /** After the first, in their order. */
  readonly startSeconds: (index: number, count: number) => number;
}

/** What came of a scenario. */
export interface ScenarioResult {
  readonly name: string;
  readonly hosts: number;
  readonly size: number;
  readonly chunks: number;
  /** What one host alone gets from the origin over the same link. */
  readonly linkBytesPerSecond: number;
  readonly pulls: readonly Pulled[];
  readonly counts: Counts;
  readonly depths: Depths;
  /** Cores that were busy with work that is none of the lab's. */
  readonly seconds: number;
}

export const SCENARIOS = {
  burst: { startSeconds: () => 0 },
  rolling: { startSeconds: (index: number) => index },
  /** All but one at once, and the last when they are half-way at the earliest. */
  late: { startSeconds: (index: number, count: number) => (index === count - 1 ? 12 : 0) },
} as const satisfies Record<string, Pick<Scenario, 'startSeconds'>>;

/** What a single client gets from the origin, past our nodes: the link's own limit. */
async function measureLink(lab: Lab, size: number): Promise<number> {
  const blob = await lab.addBlob(Math.min(SAMPLE_BYTES, size / SAMPLE_SHARE));
  const { seconds, bytes, ending } = await lab.pullDirectly(lab.cluster.agents[0] as NodeMachine, blob).ended;
  if (ending !== 'right') throw new Error(`a direct download was ${ending}`);
  await lab.dropBlob(blob);
  return bytes / seconds;
}

/** Lets every agent's client read a new blob. */
export async function runScenario(
  lab: Lab,
  { name, size, startSeconds }: Scenario,
  chunkBytes: number,
  way: Way = 'prefix',
): Promise<ScenarioResult> {
  const { agents, origin } = lab.cluster;
  const linkBytesPerSecond = await measureLink(lab, size);
  const blob = await lab.addBlob(size);
  await origin.program.tell({ forget: true });
  const before = await count(lab.cluster);
  const startedMs = performance.now();
  const pulls = await Promise.all(
    agents.map(async (agent, index) => {
      await wait(startSeconds(index, agents.length) * 1000);
      return lab.pull(agent, blob, way).ended;
    }),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  await quiet(lab);
  const counts = between(before, await count(lab.cluster));
  const depths = depthsOf(await readTraces(agents, blob.trace));
  await lab.dropBlob(blob);
  return {
    name,
    hosts: agents.length,
    size,
    chunks: Math.ceil(size / chunkBytes),
    linkBytesPerSecond,
    pulls,
    counts,
    depths,
    seconds,
  };
}

/** Waits until the origin is asked for nothing more: what is fetched ahead outlives its reader. */
async function quiet({ cluster }: Lab): Promise<void> {
  let before = -1;
  await until('an origin that is left alone', async () => {
    const { bytes } = await cluster.origin.program.tell({ report: true });
    const still = bytes === before;
    before = bytes;
    if (!still) await wait(100);
    return still;
  });
}
