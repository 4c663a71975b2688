import { setTimeout as wait } from 'node:timers/promises';
import { Owners } from '../../../sidecar/upstream/owner.ts';
import { get } from '../../support/client.ts';
import { API_TOKEN, type NodeMachine } from '../cluster.ts';
import type { LabBlob } from '../lab.ts';
import type { Ending, Pulled } from '../pull.ts';
import { WAY_NAMES, type Way } from '../ways.ts';
import { type Explanation, explain, watchLogs } from './explain.ts';
import { type LabFault, nameOf } from './fault.ts';
import { READERS, type Stage, VICTIM } from './stage.ts';

const MiB = 2 ** 20;
const BLOB_BYTES = 24 * MiB;
// A client that gives up is one of those that a fault cost their transfer.
const IDLE_SECONDS = 30;
const SETTLE_BYTES = 4 * MiB;
const HEALTHY_SECONDS = 1;
// Who failed is asked again after 5 s.
const FORGIVEN_MS = 6_000;

/** What one client saw. */
interface Seen {
  readonly agent: number;
  readonly way: Way;
  readonly ending: Ending;
  readonly seconds: number;
  readonly longestPauseSeconds: number;
  readonly status: number;
}

/** What came of a fault. */
export interface FaultResult {
  readonly of: string;
  readonly how: string;
  /** Clients that the fault must not cost anything but time. */
  readonly spared: readonly Seen[];
  /** Clients whose own way in failed. */
  readonly struck: readonly Seen[];
  /** Seconds of the slowest client that was spared. */
  readonly seconds: number;
  /** What the origin sent, in sizes of the blob; absent when it was killed, and its counts with it. */
  readonly originTimes?: number;
  readonly originRequests?: number;
  /** What must not be, in words. */
  readonly complaints: readonly string[];
  /** Where there is something to complain of. */
  readonly explanation?: Explanation;
}

/** Lets every agent's client read a new blob, by all ways in, while something goes wrong; then heals the stage. */
export async function runFault(stage: Stage, fault: LabFault): Promise<FaultResult> {
  const { cluster } = stage;
  const blob = await (fault.owned ? addOwned(stage) : stage.addBlob(BLOB_BYTES));
  const spoils = new Set(fault.spoils);
  if (fault.warm) await stage.pull(cluster.agents[VICTIM] as NodeMachine, blob, 'prefix').ended;
  await cluster.origin.program.tell({ forget: true });
  const origin = cluster.origin.program;
  const watch = watchLogs(stage);

  if (fault.when === 'before') await fault.begin(stage, blob);
  const clients = readersOf(stage, spoils).map(({ agent, way }) => ({
    agent,
    way,
    pull: stage.pull(cluster.agents[agent] as NodeMachine, blob, way, IDLE_SECONDS),
  }));
  const spared = clients.filter(({ agent }) => !spoils.has(agent));
  const struck = clients.filter(({ agent }) => spoils.has(agent));
  if (fault.when !== 'before') {
    await clients[0]?.pull.arrived(1);
    await fault.begin(stage, blob);
  }
  const over = Promise.all(spared.map(({ pull }) => pull.ended));
  await (fault.lastsMs === undefined ? over : Promise.race([over, wait(fault.lastsMs)]));
  await fault.end?.(stage);
  await stage.heal();
  const isSameOrigin = cluster.origin.program === origin;
  if (!isSameOrigin) await stage.restock(blob);

  const seen = async (those: typeof clients) =>
    Promise.all(those.map(async ({ agent, way, pull }) => seenOf(agent, way, await pull.ended)));
  const result = { spared: await seen(spared), struck: await seen(struck) };
  const { bytes, requests } = await cluster.origin.program.tell({ report: true });
  await stage.dropBlob(blob);
  const complaints = complaintsOf(fault, result);
  return {
    of: fault.of,
    how: fault.how,
    ...result,
    seconds: Math.max(...result.spared.map(({ seconds }) => seconds)),
    ...(isSameOrigin && { originTimes: bytes / blob.size, originRequests: requests }),
    complaints,
    ...(complaints.length > 0 && { explanation: await explain(stage, blob, watch) }),
  };
}

/** A blob whose last chunk the victim owns, in the eyes of every agent that knows all of them. */
async function addOwned(stage: Stage): Promise<LabBlob> {
  const headers = { authorization: `Bearer ${API_TOKEN}` };
  const members = await Promise.all(
    stage.cluster.agents.map(async ({ host, program }) => {
      // By its own word: the file that has its id may be gone with all its disk.
      const { text } = await get(`${program.adminUrl}/api/v1/members`, { headers });
      const { self } = JSON.parse(text) as { readonly self: { readonly id: string } };
      return { id: self.id, url: host.address, zone: '', weight: 1 };
    }),
  );
  const owners = new Owners(members);
  for (;;) {
    const blob = await stage.addBlob(BLOB_BYTES);
    const [owner] = owners.ranked(blob.digest, BLOB_BYTES / MiB - 1, 1);
    if (owner?.url === stage.cluster.agents[VICTIM]?.host.address) return blob;
    await stage.dropBlob(blob);
  }
}

/** The first agents have a client for each way in; where one alone is spared, it has them all. */
function readersOf({ cluster }: Stage, spoils: ReadonlySet<number>): { agent: number; way: Way }[] {
  const indices = cluster.agents.map((_, agent) => agent);
  const spared = indices.filter((agent) => !spoils.has(agent));
  if (spared.length >= READERS)
    return indices.map((agent) => ({ agent, way: WAY_NAMES[agent % WAY_NAMES.length] as Way }));
  const [only = 0] = spared;
  const others = indices.filter((agent) => spoils.has(agent));
  return [
    ...WAY_NAMES.map((way) => ({ agent: only, way })),
    ...others.map((agent) => ({ agent, way: 'prefix' as const })),
  ];
}

function complaintsOf(
  fault: LabFault,
  { spared, struck }: { readonly spared: readonly Seen[]; readonly struck: readonly Seen[] },
): string[] {
  const wrong = [...spared, ...struck].filter(({ ending }) => ending === 'wrong');
  const failed = fault.noSource ? [] : spared.filter(({ ending }) => ending !== 'right');
  return [...new Set([...wrong, ...failed])].map(
    ({ agent, way, ending, status }) =>
      `${nameOf(fault)}: agent ${agent + 1} by ${way} was ${ending} (${status})`,
  );
}

const seenOf = (agent: number, way: Way, pulled: Pulled): Seen => {
  const { ending, seconds, longestPauseSeconds, status } = pulled;
  return { agent, way, ending, seconds, longestPauseSeconds, status };
};

/** Waits until nodes have forgiven each other: after a fault they leave alone for a while who failed. */
export async function settle(stage: Stage): Promise<void> {
  const startedMs = performance.now();
  while (performance.now() - startedMs < FORGIVEN_MS) {
    const blob: LabBlob = await stage.addBlob(SETTLE_BYTES);
    const pulls = stage.cluster.agents.map((agent) => stage.pull(agent, blob, 'prefix', IDLE_SECONDS).ended);
    const pulled = await Promise.all(pulls);
    await stage.dropBlob(blob);
    if (pulled.every(({ ending, seconds }) => ending === 'right' && seconds < HEALTHY_SECONDS)) return;
  }
}
