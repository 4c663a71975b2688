import type { Outcome, Scenario } from './simulate.ts';

const MiB = 2 ** 20;

/** Networks that are simulated. */
export const SETUPS = {
  // Kraken's published run: agents limited to 300 MB/s, five origins (README.md, "Benchmark").
  kraken: { hostRate: 300e6, rootRate: 1_500e6, originRate: 1_500e6, latencyMs: 0.5, blobBytes: 3e9 },
  '10gbit': { hostRate: 1_250e6, rootRate: 6_250e6, originRate: 6_250e6, latencyMs: 0.2, blobBytes: 3e9 },
  // As npm run lab builds it: each host, the root and the origin on a link of 200 Mbit.
  lab: { hostRate: 25e6, rootRate: 25e6, originRate: 25e6, latencyMs: 0.2, blobBytes: 512 * MiB },
} as const;

/** Ways in which chunks travel. */
export const WAYS = {
  // What agents do.
  siblings: { way: 'siblings', maxChildren: 4 },
  'tree of 2, whole chunks (DadiP2P)': { way: 'tree', maxChildren: 2, cutsThrough: false },
  'tree of 4': { way: 'tree', maxChildren: 4, cutsThrough: true },
} as const;

export type SetupName = keyof typeof SETUPS;
export type WayName = keyof typeof WAYS;

/** Which hosts are not well. */
export const FAULTS = {
  none: { slow: 0, failing: 0 },
  '1 % slow': { slow: 0.01, failing: 0 },
  '1 % crash': { slow: 0, failing: 0.01 },
  '1 % slow, 1 % crash': { slow: 0.01, failing: 0.01 },
} as const;

export type FaultName = keyof typeof FAULTS;

/** What is to be simulated. */
export interface Case {
  readonly setup: SetupName;
  readonly way: WayName;
  readonly hosts: number;
  readonly fault: FaultName;
  readonly chunkBytes: number;
  readonly seed: string;
}

/** A case and what came of it. */
export interface Result extends Case {
  readonly outcome: Outcome;
}

export function scenarioOf({ setup, way, hosts, fault, chunkBytes, seed }: Case): Scenario {
  return {
    cutsThrough: true,
    ...SETUPS[setup],
    ...FAULTS[fault],
    ...WAYS[way],
    hosts,
    chunkBytes,
    seed,
    startMs: 100,
  };
}

/** How long a star takes: all hosts read the origin, which gives each an equal part. Exact, so not simulated. */
export function starSeconds({ setup, hosts }: Pick<Case, 'setup' | 'hosts'>): number {
  const { blobBytes, hostRate, originRate } = SETUPS[setup];
  return blobBytes / Math.min(hostRate, originRate / hosts);
}
