import { cpuSecondsOfMachine, cpuSecondsOfTree } from '../bench/machine.ts';
import { get } from '../support/client.ts';
import { metric } from '../support/pair.ts';
import type { Cluster, NodeMachine } from './cluster.ts';
import type { Traffic } from './network.ts';

/** What all of a cluster has counted so far. */
export interface Counts {
  readonly originRequests: number;
  readonly originBytes: number;
  /** Of each agent's link, in their order. */
  readonly links: readonly Traffic[];
  readonly roots: Traffic;
  readonly s3: Traffic;
  /** Bytes that agents served to clients and siblings, by where they had them from. */
  readonly servedFrom: Readonly<Record<string, number>>;
  /** How often an agent was sent on by a sibling to one that has the chunk, and went. */
  readonly redirects: number;
  readonly cpu: Readonly<Record<'agents' | 'roots' | 's3' | 'origin' | 'machine', number>>;
  /** Of the agent that has most. */
  readonly rssBytes: number;
}

/** Reads every counter of a cluster whose hosts can all be reached. */
export async function count({ agents, roots, s3, origin }: Cluster): Promise<Counts> {
  const { requests, bytes } = await origin.program.tell({ report: true });
  const cpuOf = (nodes: readonly NodeMachine[]) =>
    nodes.reduce((sum, { program }) => sum + cpuSecondsOfTree(program.pid), 0);
  const served = await Promise.all(agents.map(servedBySource));
  const followed = await Promise.all(
    agents.map(({ program }) => metric(program, 'p2p_redirects_total', 'direction="followed"')),
  );
  return {
    originRequests: requests,
    originBytes: bytes,
    links: agents.map(({ host }) => host.traffic()),
    roots: roots.map(({ host }) => host.traffic()).reduce(addTraffic, { sent: 0, received: 0 }),
    s3: s3.host.traffic(),
    servedFrom: served.reduce(add, {}),
    redirects: followed.reduce((sum, count) => sum + count, 0),
    cpu: {
      agents: cpuOf(agents),
      roots: cpuOf(roots),
      s3: cpuSecondsOfTree(s3.program.pid),
      origin: cpuSecondsOfTree(origin.program.pid),
      machine: cpuSecondsOfMachine(),
    },
    rssBytes: Math.max(...agents.map(({ program }) => program.rssBytes())),
  };
}

/** What happened between two counts. */
export function between(before: Counts, after: Counts): Counts {
  const less = (a: number, b: number | undefined) => a - (b ?? 0);
  const lessTraffic = (a: Traffic, b: Traffic | undefined): Traffic => ({
    sent: less(a.sent, b?.sent),
    received: less(a.received, b?.received),
  });
  const lessEach = <K extends string>(a: Readonly<Record<K, number>>, b: Readonly<Record<K, number>>) =>
    Object.fromEntries(
      Object.entries<number>(a).map(([key, value]) => [key, less(value, b[key as K])]),
    ) as Record<K, number>;
  return {
    originRequests: less(after.originRequests, before.originRequests),
    originBytes: less(after.originBytes, before.originBytes),
    links: after.links.map((link, index) => lessTraffic(link, before.links[index])),
    roots: lessTraffic(after.roots, before.roots),
    s3: lessTraffic(after.s3, before.s3),
    redirects: less(after.redirects, before.redirects),
    servedFrom: lessEach(after.servedFrom, before.servedFrom),
    cpu: lessEach(after.cpu, before.cpu),
    rssBytes: after.rssBytes,
  };
}

const SERVED = /^p2p_served_bytes_total\{.*?from="([^"]+)".*?\} (\S+)$/gm;

async function servedBySource({ program }: NodeMachine): Promise<Record<string, number>> {
  const { text } = await get(`${program.adminUrl}/metrics`);
  return Object.fromEntries([...text.matchAll(SERVED)].map(([, from, bytes]) => [from, Number(bytes)]));
}

function add(sums: Record<string, number>, counts: Record<string, number>): Record<string, number> {
  for (const [key, value] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + value;
  return sums;
}

const addTraffic = (a: Traffic, b: Traffic): Traffic => ({
  sent: a.sent + b.sent,
  received: a.received + b.received,
});
