import { parseSize } from '../../functions/service/config/size.ts';
import type { LabFigures } from '../lab/run.ts';
import { scenarioOf } from './cases.ts';
import { simulate } from './simulate.ts';

/** A figure as the lab measured it and as the simulation has it. */
export interface Compared {
  readonly figure: string;
  readonly lab: number;
  readonly simulated: number;
  /** By how much the simulation is off, of what was measured: 0.1 is a tenth too much. */
  readonly off: number;
}

/**
 * Simulates what `npm run lab` did in its burst, over links as fast as it found them for one client alone, and says by
 * how much the figures differ. Bytes over links are with all headers in the lab, and without any here.
 */
export function calibrate({ options, figures }: LabFigures, seed: string): Compared[] {
  const burst = figures.find(({ name }) => name === 'burst');
  if (burst === undefined) throw new Error('the file has no burst: run npm run lab with it');
  const { hosts, size, linkBytesPerSecond, summary } = burst;
  const { chunk, roots } = options as Readonly<Record<string, string>>;
  const chunkBytes = parseSize(chunk ?? '');
  if (chunkBytes === undefined) throw new Error(`the file says of no size that chunks had: ${chunk}`);
  const outcome = simulate({
    ...scenarioOf({ setup: 'lab', way: 'siblings', hosts, fault: 'none', chunkBytes, seed }),
    blobBytes: size,
    hostRate: linkBytesPerSecond,
    rootRate: linkBytesPerSecond * Number(roots ?? 1),
    originRate: linkBytesPerSecond,
  });
  const compared = (figure: string, lab: number, simulated: number): Compared => ({
    figure,
    lab,
    simulated,
    off: simulated === lab ? 0 : simulated / lab - 1,
  });
  return [
    compared('p50, s', summary.medianSeconds, outcome.p50),
    compared('slowest host, s', summary.slowestSeconds, outcome.last),
    compared('busiest uplink, × blob', summary.maxUplinkTimes, outcome.maxUplinkBlobs),
    compared('roots sent, × blob', summary.rootTimes, outcome.rootBlobs),
    compared('origin sent, × blob', summary.originTimes, outcome.originBlobs),
    compared('redirects, a chunk and host', summary.redirectsPerChunk, outcome.redirectsPerChunk),
  ];
}
