import type { ShownTrace } from '../../sidecar/explain/format-trace.ts';
import { get } from '../support/client.ts';
import { API_TOKEN, type NodeMachine } from './cluster.ts';

/** How deep the trees are over which chunks were shared: who had one from a root or the origin is at depth 1. */
export interface Depths {
  readonly median: number;
  readonly largest: number;
  /** Chunks on hosts of which it is known. */
  readonly known: number;
}

/** Asks each agent what it remembers of a trace. */
export async function readTraces(
  agents: readonly NodeMachine[],
  trace: string,
): Promise<ReadonlyMap<string, ShownTrace>> {
  const headers = { authorization: `Bearer ${API_TOKEN}` };
  const told = await Promise.all(
    agents.map(async ({ program: { url, adminUrl } }): Promise<[string, ShownTrace]> => {
      const { status, text } = await get(`${adminUrl}/api/v1/trace/${trace}`, { headers });
      // Who was asked for nothing knows of none.
      if (status === 404) return [url, { trace, requests: [] }];
      if (status !== 200) throw new Error(`an agent was asked for a trace and answers ${status}: ${text}`);
      return [url, JSON.parse(text)];
    }),
  );
  return new Map(told);
}

/** The depths of all chunks on all hosts, by what each host, named by its address, tells of whom it had them from. */
export function depthsOf(traces: ReadonlyMap<string, ShownTrace>): Depths {
  const givers = new Map([...traces].map(([host, trace]) => [host, giversOf(trace)]));
  const depths: number[] = [];
  for (const [host, chunks] of givers) {
    for (const index of chunks.keys()) {
      const depth = depthOf(givers, host, index);
      if (depth !== undefined) depths.push(depth);
    }
  }
  depths.sort((a, b) => a - b);
  return {
    median: depths[Math.floor(depths.length / 2)] ?? 0,
    largest: depths.at(-1) ?? 0,
    known: depths.length,
  };
}

/** By chunk, the sibling that gave the last of it; `undefined` where that was none. */
function giversOf({ requests }: ShownTrace): Map<number, string | undefined> {
  const givers = new Map<number, string | undefined>();
  for (const { index, legs } of requests.flatMap(({ chunks }) => chunks)) {
    const leg = legs.at(-1);
    // Two requests may tell of one fetch.
    if (leg?.answeredMs === undefined || givers.has(index)) continue;
    givers.set(index, leg.kind === 'sibling' ? leg.source : undefined);
  }
  return givers;
}

function depthOf(
  givers: ReadonlyMap<string, ReadonlyMap<number, string | undefined>>,
  host: string,
  index: number,
): number | undefined {
  const path = new Set<string>();
  for (let at: string | undefined = host; at !== undefined; at = givers.get(at)?.get(index)) {
    // Who dropped a chunk may have it again from one that had it from there.
    if (path.has(at) || !givers.get(at)?.has(index)) return undefined;
    path.add(at);
  }
  return path.size;
}
