import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LabFigures } from '../lab/run.ts';
import { calibrate } from './calibrate.ts';
import { scenarioOf } from './cases.ts';
import { simulate } from './simulate.ts';

const test = suite('sim/calibrate');

const MiB = 2 ** 20;
const options = { chunk: '1MiB', roots: '2' };
const burst = { name: 'burst', hosts: 4, size: 8 * MiB, linkBytesPerSecond: 20e6 };

test('says by how much each figure differs from that of a lab with these hosts, links and chunks', () => {
  const { p50, last, maxUplinkBlobs, rootBlobs, redirectsPerChunk } = simulate({
    ...scenarioOf({ setup: 'lab', way: 'siblings', hosts: 4, fault: 'none', chunkBytes: MiB, seed: 's' }),
    blobBytes: 8 * MiB,
    hostRate: 20e6,
    rootRate: 40e6,
    originRate: 20e6,
  });
  const summary = {
    medianSeconds: p50,
    slowestSeconds: last / 2,
    maxUplinkTimes: maxUplinkBlobs * 2,
    rootTimes: rootBlobs,
    originTimes: 1,
    redirectsPerChunk,
  };
  const figures = { options, figures: [{ ...burst, summary }] } as unknown as LabFigures;
  assert.equal(
    calibrate(figures, 's').map(({ off }) => off),
    [0, 1, -0.5, 0, 0, 0],
  );
});

test('says what a file lacks', () => {
  const none = { options, figures: [] } as unknown as LabFigures;
  assert.throws(() => calibrate(none, 's'), /no burst/);
});

test.run();
