import { median } from '../bench/table.ts';
import type { ScenarioResult } from './burst.ts';

const MiB = 2 ** 20;

/** A number that was set as a goal, and what a run says of it. */
export interface Verdict {
  readonly goal: string;
  readonly reached: number;
  readonly met: boolean;
}

/** The figures of one run that are worth a line of a table. */
export interface Summary {
  readonly scenario: string;
  readonly hosts: number;
  readonly right: number;
  readonly fastestSeconds: number;
  readonly medianSeconds: number;
  readonly slowestSeconds: number;
  /** Of the slowest host: its rate, of what the link gives one client alone. */
  readonly slowestShareOfLink: number;
  readonly originTimes: number;
  readonly originRequests: number;
  readonly chunks: number;
  /** Bytes that S3 sent, in sizes of the blob. */
  readonly s3Times: number;
  readonly rootTimes: number;
  /** Of the host that sent most. */
  readonly maxUplinkTimes: number;
  /** Of a chunk on its way to a host, on average: how often it was sent on by who had no room. */
  readonly redirectsPerChunk: number;
  /** Of the trees over which chunks came to hosts; who asks a root is at depth 1. */
  readonly medianDepth: number;
  readonly largestDepth: number;
  readonly servedFromTimes: Readonly<Record<string, number>>;
  readonly agentCpuSecondsPerGB: number;
  readonly busyCores: number;
  readonly maxRssMiB: number;
}

export function summarise(result: ScenarioResult): Summary {
  const { pulls, counts, size, linkBytesPerSecond } = result;
  const seconds = pulls.map((pull) => pull.seconds);
  const slowest = Math.max(...seconds);
  const times = (bytes: number) => bytes / size;
  return {
    scenario: result.name,
    hosts: result.hosts,
    right: pulls.filter(({ ending }) => ending === 'right').length,
    fastestSeconds: Math.min(...seconds),
    medianSeconds: median(seconds),
    slowestSeconds: slowest,
    slowestShareOfLink: size / slowest / linkBytesPerSecond,
    originTimes: times(counts.originBytes),
    originRequests: counts.originRequests,
    chunks: result.chunks,
    s3Times: times(counts.s3.sent),
    rootTimes: times(counts.roots.sent),
    maxUplinkTimes: times(Math.max(...counts.links.map(({ sent }) => sent))),
    redirectsPerChunk: counts.redirects / (result.chunks * result.hosts),
    medianDepth: result.depths.median,
    largestDepth: result.depths.largest,
    servedFromTimes: Object.fromEntries(
      Object.entries(counts.servedFrom).map(([from, bytes]) => [from, times(bytes)]),
    ),
    agentCpuSecondsPerGB: counts.cpu.agents / ((result.hosts * size) / 1e9),
    busyCores: counts.cpu.machine / result.seconds,
    maxRssMiB: counts.rssBytes / MiB,
  };
}

/** What a run says of the goals; those of a burst alone are about time. */
export function judge(summary: Summary): Verdict[] {
  const atMost = (goal: string, reached: number, limit: number): Verdict => ({
    goal,
    reached,
    met: reached <= limit,
  });
  return [
    { goal: 'every host has right bytes', reached: summary.right, met: summary.right === summary.hosts },
    {
      goal: 'the slowest host gets ≥ 0.85 of its link',
      reached: summary.slowestShareOfLink,
      met: summary.slowestShareOfLink >= 0.85,
    },
    atMost('origin bytes 1.00 × the blob', summary.originTimes, 1.004),
    {
      goal: 'origin requests = chunks',
      reached: summary.originRequests,
      met: summary.originRequests === summary.chunks,
    },
    atMost('no uplink above 2.5 × the blob', summary.maxUplinkTimes, 2.5),
  ];
}

export function formatSummary(summary: Summary): string {
  const two = (value: number) => value.toFixed(2);
  const rows: [string, string][] = [
    ['hosts with right bytes', `${summary.right} of ${summary.hosts}`],
    [
      'seconds, fastest / median / slowest',
      [summary.fastestSeconds, summary.medianSeconds, summary.slowestSeconds].map(two).join(' / '),
    ],
    ['slowest host, of its link', two(summary.slowestShareOfLink)],
    ['origin, × blob', `${two(summary.originTimes)} in ${summary.originRequests} requests`],
    ['S3 sent, × blob', two(summary.s3Times)],
    ['roots sent, × blob', two(summary.rootTimes)],
    ['busiest uplink, × blob', two(summary.maxUplinkTimes)],
    [
      'agents served, × blob',
      Object.entries(summary.servedFromTimes)
        .map(([from, value]) => `${from} ${two(value)}`)
        .join(', '),
    ],
    ['redirects followed, a chunk and host', two(summary.redirectsPerChunk)],
    ['depth of trees, median / largest', `${summary.medianDepth} / ${summary.largestDepth}`],
    ['CPU of agents, s/GB delivered', two(summary.agentCpuSecondsPerGB)],
    ['cores busy, all of the machine', two(summary.busyCores)],
    ['memory of the largest agent, MiB', summary.maxRssMiB.toFixed(0)],
  ];
  const lines = rows.map(([name, value]) => `  ${name.padEnd(38)}${value}`);
  return [`\n${summary.scenario}`, ...lines].join('\n');
}

export const formatVerdicts = (verdicts: readonly Verdict[]): string =>
  verdicts
    .map(({ goal, reached, met }) => `  ${met ? 'met   ' : 'MISSED'} ${goal}: ${reached.toFixed(2)}`)
    .join('\n');
