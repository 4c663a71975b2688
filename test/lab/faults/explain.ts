import type { ShownTrace } from '../../../sidecar/explain/format-trace.ts';
import type { NodeMachine } from '../cluster.ts';
import { readTraces } from '../depth.ts';
import type { LabBlob } from '../lab.ts';
import type { Stage } from './stage.ts';

/** What nodes said that must not be lost with the run: enough to find why a client did not get its blob. */
export interface Explanation {
  /** Of all reads of the blob (W3C Trace Context). */
  readonly trace: string;
  /** What each agent remembers of them, by its address: of each chunk who was asked, when, and what came of it. */
  readonly agents: Readonly<Record<string, ShownTrace>>;
  /** What each node logged meanwhile beyond the usual, by its name. */
  readonly logs: Readonly<Record<string, readonly object[]>>;
}

/** Remembers where the logs of all nodes are, to tell later what came since. */
export type Watch = ReadonlyMap<
  NodeMachine,
  { readonly program: NodeMachine['program']; readonly from: number }
>;

// Of each node: the first tell how it began.
const MOST_LINES = 150;
// Which every node says when it starts or ends.
const QUIET: ReadonlySet<unknown> = new Set(['info', 'debug', 'trace']);

const nodesOf = ({ cluster }: Stage): readonly NodeMachine[] => [...cluster.roots, ...cluster.agents];

export const watchLogs = (stage: Stage): Watch =>
  new Map(nodesOf(stage).map((node) => [node, { program: node.program, from: node.program.logs().length }]));

/** What all nodes that run say of the reads of a blob. */
export async function explain(stage: Stage, blob: LabBlob, watch: Watch): Promise<Explanation> {
  const logs = nodesOf(stage).map((node): [string, readonly object[]] => {
    const seen = watch.get(node);
    // Who was started anew since has said nothing before.
    const from = seen?.program === node.program ? seen.from : 0;
    const lines = node.program.logs().slice(from);
    return [node.host.name, lines.filter(({ level }) => !QUIET.has(level)).slice(0, MOST_LINES)];
  });
  const traces = await readTraces(stage.cluster.agents, blob.trace);
  return { trace: blob.trace, agents: Object.fromEntries(traces), logs: Object.fromEntries(logs) };
}
