import { GB } from './machine.ts';
import type { Sample } from './parts.ts';
import type { SideName } from './sides.ts';

/** One side in one measure: medians over the rounds. */
export interface Row {
  readonly measure: string;
  readonly side: SideName;
  readonly gbPerSecond: number;
  readonly requestsPerSecond: number;
  readonly cpuSecondsPerGB: number;
  readonly clientCpuSecondsPerGB: number;
  readonly firstByteMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly originRequests: number;
  /** Medians of the ratios within a round, which drift of the whole machine leaves alone. */
  readonly toSlice?: Ratios;
  /** To as many caches in a row as an agent and a root are. */
  readonly toTwoSlices?: Ratios;
  readonly toStatic?: Ratios;
}

interface Ratios {
  readonly throughput: number;
  readonly cpu: number;
}

/** A number that was set as a goal, and what this run says of it. */
export interface Verdict {
  readonly goal: string;
  readonly side: string;
  readonly reached: number;
  readonly met: boolean;
}

// Writeback and interrupts for our own traffic look foreign too.
const QUIET_CORES = 0.2;

interface Goal {
  readonly goal: string;
  readonly measure: string;
  readonly sides: readonly SideName[];
  readonly atLeast?: number;
  readonly atMost?: number;
  value(row: Row): number | undefined;
}

const GOALS: readonly Goal[] = [
  {
    goal: 'hot, 16 streams: throughput ≥ 1.0 × nginx slice',
    measure: 'hot, 16 streams',
    sides: ['agent', 'agent disk'],
    atLeast: 1,
    value: (row) => row.toSlice?.throughput,
  },
  {
    goal: 'hot, 16 streams: CPU per GB ≤ 1.1 × nginx slice',
    measure: 'hot, 16 streams',
    sides: ['agent', 'agent disk'],
    atMost: 1.1,
    value: (row) => row.toSlice?.cpu,
  },
  {
    goal: 'cold, 1 client: throughput ≥ 1.0 × nginx slice',
    measure: 'cold, 1 client',
    sides: ['agent disk', 'agent+root'],
    atLeast: 1,
    value: (row) => row.toSlice?.throughput,
  },
  {
    goal: 'cold behind 125 MB/s: throughput ≥ 0.95 × direct',
    measure: 'cold, origin behind 125 MB/s',
    sides: ['agent disk', 'agent+root'],
    atLeast: 0.95,
    value: (row) => row.toStatic?.throughput,
  },
];

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const requestsPerSecond = ({ requests, seconds }: Sample) => requests / seconds;
const cpuPerGB = ({ serverCpuSeconds, bytes }: Sample) => serverCpuSeconds / (bytes / GB);

/** One row for each measure and side, in the order in which they were measured first. */
export function summarise(samples: readonly Sample[]): Row[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const group = `${sample.measure}|${sample.side}`;
    groups.set(group, [...(groups.get(group) ?? []), sample]);
  }
  const ratios = (group: readonly Sample[], to: SideName): Ratios | undefined => {
    const pairs = group.flatMap((own) => {
      const peer = groups.get(`${own.measure}|${to}`)?.find(({ round }) => round === own.round);
      return peer ? [{ own, peer }] : [];
    });
    if (pairs.length === 0) return undefined;
    return {
      throughput: median(pairs.map(({ own, peer }) => requestsPerSecond(own) / requestsPerSecond(peer))),
      cpu: median(pairs.map(({ own, peer }) => cpuPerGB(own) / cpuPerGB(peer))),
    };
  };
  return [...groups.values()].map((group) => {
    const of = (value: (sample: Sample) => number) => median(group.map(value));
    const { measure, side } = group[0]!;
    const toSlice = ratios(group, 'nginx slice');
    const toTwoSlices = ratios(group, 'nginx slice x2');
    const toStatic = ratios(group, 'nginx static');
    return {
      measure,
      side,
      gbPerSecond: of((sample) => sample.gbPerSecond),
      requestsPerSecond: of(requestsPerSecond),
      cpuSecondsPerGB: of(cpuPerGB),
      clientCpuSecondsPerGB: of((sample) => sample.clientCpuSeconds / (sample.bytes / GB)),
      firstByteMs: of((sample) => sample.firstByteMs),
      p50Ms: of((sample) => sample.p50Ms),
      p99Ms: of((sample) => sample.p99Ms),
      originRequests: of((sample) => sample.originRequests),
      ...(toSlice && { toSlice }),
      ...(toTwoSlices && { toTwoSlices }),
      ...(toStatic && { toStatic }),
    };
  });
}

/** What the run says of each goal whose sides it measured. */
export function judge(rows: readonly Row[]): Verdict[] {
  return GOALS.flatMap(({ goal, measure, sides, atLeast = 0, atMost = Number.POSITIVE_INFINITY, value }) =>
    rows.flatMap((row) => {
      const reached = row.measure === measure && sides.includes(row.side) ? value(row) : undefined;
      return reached === undefined
        ? []
        : [{ goal, side: row.side, reached, met: reached >= atLeast && reached <= atMost }];
    }),
  );
}

export function formatTable(rows: readonly Row[]): string {
  const lines: string[] = [];
  for (const measure of new Set(rows.map((row) => row.measure))) {
    const rowsOfMeasure = rows.filter((row) => row.measure === measure);
    const small = measure.includes('ranges');
    const hasTwo = rowsOfMeasure.some(({ toTwoSlices }) => toTwoSlices !== undefined);
    const heads = [
      ...(small ? ['req/s', '× slice'] : ['GB/s', '× slice']),
      ...(hasTwo ? ['× slice x2'] : []),
      ...(small ? ['× static', 'CPU µs/req', '× slice'] : ['× static', 'CPU s/GB', '× slice']),
      ...(hasTwo ? ['× slice x2'] : []),
      ...(small ? ['p50 ms', 'p99 ms', 'origin req'] : ['1st byte ms', 'client s/GB', 'origin req']),
    ];
    lines.push('', measure.padEnd(30) + heads.map((head) => head.padStart(12)).join(''));
    for (const row of rowsOfMeasure) {
      const bytesPerRequest = (row.gbPerSecond * GB) / row.requestsPerSecond;
      const cells = [
        small ? row.requestsPerSecond.toFixed(0) : row.gbPerSecond.toFixed(row.gbPerSecond < 1 ? 3 : 2),
        times(row.toSlice?.throughput),
        ...(hasTwo ? [times(row.toTwoSlices?.throughput)] : []),
        times(row.toStatic?.throughput),
        small ? ((row.cpuSecondsPerGB * bytesPerRequest) / 1e3).toFixed(1) : row.cpuSecondsPerGB.toFixed(2),
        times(row.toSlice?.cpu),
        ...(hasTwo ? [times(row.toTwoSlices?.cpu)] : []),
        small ? row.p50Ms.toFixed(2) : row.firstByteMs.toFixed(1),
        small ? row.p99Ms.toFixed(2) : row.clientCpuSecondsPerGB.toFixed(2),
        row.originRequests.toFixed(0),
      ];
      lines.push(`  ${row.side.padEnd(28)}${cells.map((cell) => cell.padStart(12)).join('')}`);
    }
  }
  return lines.join('\n');
}

/** Says when others used the machine so much that the numbers are not worth keeping. */
export function formatDisturbance(samples: readonly Sample[]): string {
  const cores = median(samples.map(({ foreignCores }) => foreignCores));
  const judgement = cores > QUIET_CORES ? 'NOT QUIET: run it again on an idle machine' : 'quiet';
  return `busy with other work meanwhile: ${cores.toFixed(2)} cores (median); ${judgement}`;
}

export function formatVerdicts(verdicts: readonly Verdict[]): string {
  return verdicts
    .map(
      ({ goal, side, reached, met }) => `${met ? 'met   ' : 'MISSED'} ${goal}: ${side} ${reached.toFixed(2)}`,
    )
    .join('\n');
}

const times = (ratio: number | undefined): string => (ratio === undefined ? '–' : ratio.toFixed(2));
