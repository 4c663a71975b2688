import { seeded } from '../support/seeded.ts';
import { Cluster } from './cluster.ts';
import type { Events } from './events.ts';
import type { Link, Network } from './network.ts';
import { type Delivery, SimulatedReader } from './reader.ts';
import { Tree } from './tree.ts';

/** What is simulated: all hosts pull one blob at the same time, cold. */
export interface Scenario {
  readonly hosts: number;
  readonly blobBytes: number;
  readonly chunkBytes: number;
  /** Bytes a second of each host's link, each way. */
  readonly hostRate: number;
  /** Of the roots together, and of the origin; S3 has as much as the origin. */
  readonly rootRate: number;
  readonly originRate: number;
  /** One way, on average. */
  readonly latencyMs: number;
  /** Within so long all hosts start. */
  readonly startMs: number;
  readonly maxChildren: number;
  /** Part of the hosts that have a tenth of the link. */
  readonly slow: number;
  /** Part of the hosts that crash half-way through. */
  readonly failing: number;
  readonly seed: string;
  /** How chunks travel: as our agents have it, or in one tree that stays the same. */
  readonly way: 'siblings' | 'tree';
  readonly cutsThrough: boolean;
}

/** What came of it. Times are of the hosts that were well. */
export interface Outcome {
  readonly idealSeconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly last: number;
  /** Times the blob. */
  readonly originBlobs: number;
  readonly s3Blobs: number;
  readonly rootBlobs: number;
  readonly maxUplinkBlobs: number;
  readonly redirectsPerChunk: number;
  readonly hedges: number;
  /** Hosts that were well and did not get all of the blob. */
  readonly unfinished: number;
}

// A chunk takes some eight steps over an empty link: what a hop adds is then small beside it.
const STEPS_PER_CHUNK = 8;
const SLOWER = 10;
// As sidecar/sharing.ts sets a Picker up.
const BUDGET_MS = 5_000;
const GIVE_UP_IDEALS = 60;
const TIDY_STEPS = 64;

/** Runs a scenario; the same one has the same outcome each time. */
export function simulate(scenario: Scenario): Outcome {
  const { hosts, blobBytes, chunkBytes, hostRate, originRate, seed } = scenario;
  const chunks = Math.ceil(blobBytes / chunkBytes);
  const random = seeded(seed);
  const stepMs = (chunkBytes / hostRate / STEPS_PER_CHUNK) * 1000;
  const idealSeconds = blobBytes / Math.min(hostRate, originRate);
  const draw = (part: number, from: readonly number[]) =>
    shuffled(from, random).slice(0, Math.round(part * hosts));
  const all = Array.from({ length: hosts }, (_, host) => host);
  const slow = new Set(draw(scenario.slow, all));
  const failing = draw(
    scenario.failing,
    all.filter((host) => !slow.has(host)),
  );
  const links = all.map((host): Link => {
    const rate = slow.has(host) ? hostRate / SLOWER : hostRate;
    return { up: rate, down: rate };
  });
  const { delivery, cluster } = open(scenario, links, chunks, stepMs, random);
  const { events, network } = delivery;

  const doneMs = new Map<number, number>();
  const well = all.filter((host) => !slow.has(host) && !failing.includes(host));
  const startedMs = all.map(() => random() * scenario.startMs);
  const readers: SimulatedReader[] = [];
  for (const host of all) {
    const reading = { host, chunks, seed: Math.floor(random() * 2 ** 32), nodes: () => hosts };
    const reader = new SimulatedReader(reading, delivery, () => doneMs.set(host, events.nowMs));
    readers.push(reader);
    events.after(startedMs[host] as number, () => reader.start());
  }
  for (const host of cluster === undefined ? [] : failing) {
    const member = cluster?.hosts[host];
    const atMs = random() * idealSeconds * 1000;
    if (member !== undefined) events.after(atMs, () => cluster?.crash(member));
  }
  const isOver = () => well.every((host) => doneMs.has(host));
  // Of hosts that are slow it does not matter what others remember of chunks that these alone lack.
  const leastAt = () => well.reduce((least, host) => Math.min(least, readers[host]?.at ?? 0), chunks);
  let count = 0;
  for (let step = 1; step * stepMs < GIVE_UP_IDEALS * idealSeconds * 1000; step += 1) {
    events.runUntil(step * stepMs);
    network.step();
    if (step % TIDY_STEPS === 0) cluster?.forgetBefore(leastAt());
    if (doneMs.size > count && isOver()) break;
    count = doneMs.size;
  }

  const seconds = well
    .flatMap((host) => (doneMs.get(host) ?? Number.NaN) - (startedMs[host] as number))
    .filter((ms) => !Number.isNaN(ms))
    .map((ms) => ms / 1000)
    .sort((a, b) => a - b);
  const quantile = (part: number) => seconds[Math.max(0, Math.ceil(part * seconds.length) - 1)] ?? Number.NaN;
  const blobs = (bytes: number) => bytes / blobBytes;
  const rootNode = links.length;
  return {
    idealSeconds,
    p50: quantile(0.5),
    p99: quantile(0.99),
    p999: quantile(0.999),
    last: quantile(1),
    // The source of a tree reads each chunk once for all its children.
    originBlobs: cluster === undefined ? 1 : cluster.root.originReads / chunks,
    s3Blobs: cluster === undefined ? 0 : cluster.root.s3Reads / chunks,
    rootBlobs: blobs(network.sent[rootNode] as number),
    maxUplinkBlobs: blobs(Math.max(...network.sent.subarray(0, hosts))),
    redirectsPerChunk: cluster === undefined ? 0 : cluster.redirects / (hosts * chunks),
    hedges: cluster?.hedges ?? 0,
    unfinished: well.length - seconds.length,
  };
}

interface World {
  readonly delivery: Delivery & { readonly events: Events; readonly network: Network };
  readonly cluster: Cluster | undefined;
}

function open(
  scenario: Scenario,
  links: readonly Link[],
  chunks: number,
  stepMs: number,
  random: () => number,
): World {
  const { chunkBytes, latencyMs, rootRate, originRate, maxChildren, cutsThrough } = scenario;
  const linkOf = (rate: number): Link => ({ up: rate, down: rate });
  if (scenario.way === 'tree') {
    const sourceLink = linkOf(Math.min(rootRate, originRate));
    const shape = { children: maxChildren, cutsThrough };
    return {
      delivery: new Tree({ links, sourceLink, chunks, chunkBytes, stepMs, latencyMs, ...shape }),
      cluster: undefined,
    };
  }
  const cluster = new Cluster({
    links,
    rootLink: linkOf(rootRate),
    originLink: linkOf(originRate),
    chunks,
    chunkBytes,
    stepMs,
    latencyMs,
    agents: { maxChildren, budgetMs: BUDGET_MS },
    random,
  });
  return { delivery: cluster, cluster };
}

/** Fisher and Yates. */
function shuffled(items: readonly number[], random: () => number): number[] {
  const mixed = [...items];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [mixed[at], mixed[other]] = [mixed[other] as number, mixed[at] as number];
  }
  return mixed;
}
