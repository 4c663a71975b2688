import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Drain, Drained, Reading } from './drain.ts';
import { startLimiter } from './limit.ts';
import { cpuSecondsOfMachine, cpuSecondsOfTree, GB, GiB, MiB, untilIdle, warmFreeMemory } from './machine.ts';
import type { Origin } from './nginx.ts';
import type { Scope } from './scope.ts';
import { COLD_SIDES, digestThrough, HOT_SIDES, type Side, type SideName, startSides } from './sides.ts';

export const PART_NAMES = ['hot', 'ranges', 'cold', 'limited'] as const;
export type PartName = (typeof PART_NAMES)[number];

/** One measured run of one side. */
export interface Sample extends Drained {
  readonly part: PartName;
  readonly measure: string;
  readonly side: SideName;
  readonly round: number;
  /** Decimal gigabytes of body that reached the client, a second. */
  readonly gbPerSecond: number;
  /** Of the side's own processes, work after the reply included; the origin's is not counted. */
  readonly serverCpuSeconds: number;
  readonly originRequests: number;
  /** Cores that were busy with something else than this bench meanwhile. */
  readonly foreignCores: number;
}

export interface Bench {
  readonly scope: Scope;
  readonly drain: Drain;
  readonly origin: Origin;
  readonly rounds: number;
  readonly quick: boolean;
  readonly sides: readonly SideName[];
  report(line: string): void;
}

interface Case {
  readonly measure: string;
  run(side: Side, round: number): Promise<Drained>;
}

interface Part {
  readonly sides: readonly SideName[];
  /** Unrecorded rounds that let caches fill, buffers grow and code get compiled. */
  readonly warmUps: number;
  readonly cold: boolean;
  readonly linkBytesPerSecond?: number;
  cases(bench: Bench): Case[];
}

// The common gigabit link, less nothing: the relay limits bytes of body and head, not frames.
const LINK_BYTES_PER_SECOND = 125_000_000;

const hotBytes = ({ quick }: Bench) => (quick ? 512 * MiB : 1 * GiB);
const coldBytes = ({ quick }: Bench) => (quick ? 64 * MiB : 256 * MiB);

const PARTS: Record<PartName, Part> = {
  hot: {
    sides: HOT_SIDES,
    warmUps: 1,
    cold: false,
    cases: (bench) =>
      [1, 4, 16].map((streams) => ({
        measure: `hot, ${streams} stream${streams > 1 ? 's' : ''}`,
        // One stream reads twice: CPU is counted in steps of 10 ms.
        run: (side) =>
          bench.drain.whole(side.reading(['/hot'], hotBytes(bench)), streams, streams > 1 ? 1 : 2),
      })),
  },
  ranges: {
    sides: HOT_SIDES,
    warmUps: 1,
    cold: false,
    cases: (bench) => [
      {
        measure: '16 KiB ranges, 64 connections',
        run: (side) => bench.drain.ranges(side.reading(['/hot'], hotBytes(bench)), 64, bench.quick ? 2 : 5),
      },
    ],
  },
  cold: {
    sides: COLD_SIDES,
    warmUps: 1,
    cold: true,
    cases: (bench) => {
      const four = [1, 2, 3, 4];
      const read = (reading: Reading) => bench.drain.whole(reading, reading.targets.length, 1);
      return [
        {
          measure: 'cold, 1 client',
          run: (side, round) => read(side.reading([`/cold/one-${round}/cold`], coldBytes(bench))),
        },
        {
          measure: 'cold, 4 clients, 4 blobs',
          run: (side, round) =>
            read(
              side.reading(
                four.map((client) => `/cold/four-${round}-${client}/quarter`),
                coldBytes(bench) / 4,
              ),
            ),
        },
        {
          measure: 'cold, 4 clients, same blob',
          run: (side, round) =>
            read(
              side.reading(
                four.map(() => `/cold/same-${round}/cold`),
                coldBytes(bench),
              ),
            ),
        },
      ];
    },
  },
  limited: {
    sides: COLD_SIDES,
    warmUps: 1,
    cold: true,
    linkBytesPerSecond: LINK_BYTES_PER_SECOND,
    cases: (bench) => [
      {
        measure: 'cold, origin behind 125 MB/s',
        run: (side, round) =>
          bench.drain.whole(side.reading([`/cold/limited-${round}/cold`], coldBytes(bench)), 1, 1),
      },
    ],
  },
};

/** Writes the blobs that the parts read; they stay in the page cache. */
export function writeBlobs(bench: Bench): void {
  const sizes = { hot: hotBytes(bench), cold: coldBytes(bench), quarter: coldBytes(bench) / 4 };
  for (const [name, bytes] of Object.entries(sizes)) {
    const file = openSync(join(bench.origin.folder, name), 'w');
    const piece = randomBytes(1 * MiB);
    for (let written = 0; written < bytes; written += piece.length) {
      // Otherwise a chunk in the wrong place would have the right bytes.
      piece.writeDoubleLE(written, 0);
      writeSync(file, piece);
    }
    closeSync(file);
  }
}

/** Runs one part: every case on every side in turn, so that what disturbs one round disturbs all sides. */
export async function* runPart(bench: Bench, name: PartName): AsyncGenerator<Sample> {
  const part = PARTS[name];
  const { scope, origin, rounds } = bench;
  const link = part.linkBytesPerSecond && (await startLimiter(scope, origin.port, part.linkBytesPerSecond));
  const wanted = part.sides.filter((side) => bench.sides.includes(side));
  const sides = await startSides(scope, wanted, origin, link ? link.port : origin.port);
  const cases = part.cases(bench);
  await checkBytes(bench, sides, part.cold ? '/cold/check/quarter' : '/hot');
  for (let round = -part.warmUps; round < rounds; round++) {
    bench.report(round < 0 ? `${name}: warming up` : `${name}: round ${round + 1} of ${rounds}`);
    for (const { measure: title, run } of cases) {
      for (const side of rotated(sides, round)) {
        if (part.cold) warmFreeMemory(scope.dir);
        const sample = await measure(bench, side, () => run(side, round));
        if (round >= 0) yield { part: name, measure: title, side: side.name, round, ...sample };
      }
    }
  }
  for (const side of sides) await side.stop();
  if (link) await link.stop();
}

async function measure(
  { origin }: Bench,
  side: Side,
  run: () => Promise<Drained>,
): Promise<Omit<Sample, 'part' | 'measure' | 'side' | 'round'>> {
  const foreign = () => cpuSecondsOfMachine() - cpuSecondsOfTree(process.pid);
  const before = { requests: await origin.requestsServed(), cpu: side.cpuSeconds(), foreign: foreign() };
  const startedAt = performance.now();
  const drained = await run();
  const foreignSeconds = foreign() - before.foreign;
  const foreignCores = Math.max(0, foreignSeconds / ((performance.now() - startedAt) / 1e3));
  await untilIdle(side.cpuSeconds);
  return {
    ...drained,
    gbPerSecond: drained.bytes / GB / drained.seconds,
    serverCpuSeconds: side.cpuSeconds() - before.cpu,
    originRequests: (await origin.requestsServed()) - before.requests,
    foreignCores,
  };
}

async function checkBytes(bench: Bench, sides: readonly Side[], path: string): Promise<void> {
  const digests = new Map<string, SideName[]>();
  for (const side of sides) {
    bench.report(`filling ${side.name} and checking its bytes`);
    const digest = await digestThrough(side, path);
    digests.set(digest, [...(digests.get(digest) ?? []), side.name]);
  }
  if (digests.size > 1) throw new Error(`sides answer different bytes: ${JSON.stringify([...digests])}`);
}

/** Each round starts with another side: none is always the one after the heaviest. */
function rotated<T>(list: readonly T[], round: number): T[] {
  const shift = list.length === 0 ? 0 : (round + list.length) % list.length;
  return [...list.slice(shift), ...list.slice(0, shift)];
}
