import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { scenarioOf } from './cases.ts';
import { simulate } from './simulate.ts';

const test = suite('sim/simulate');

const MiB = 2 ** 20;
const MOST_IDEALS = 1.3;
const MOST_IDEALS_SLOW = 1.75;
const MOST_UPLINK_BLOBS = 2.5;

const base = {
  ...scenarioOf({
    setup: 'kraken',
    way: 'siblings',
    hosts: 100,
    fault: 'none',
    chunkBytes: 4 * MiB,
    seed: 'test',
  }),
  blobBytes: 200 * 4 * MiB,
};
const small = { ...base, hosts: 20, blobBytes: 20 * 4 * MiB };

test('comes to the same each time, and to something else with another seed', () => {
  const outcome = simulate(small);
  assert.equal(simulate(small), outcome);
  assert.not.equal(simulate({ ...small, seed: 'another' }), outcome);
});

test('has a hundred hosts done in at most 1.3 times the ideal, by one reading of the origin and with no uplink swamped', () => {
  const { p99, idealSeconds, maxUplinkBlobs, originBlobs, unfinished } = simulate(base);
  assert.ok(p99 <= MOST_IDEALS * idealSeconds, `${p99 / idealSeconds} x ideal`);
  assert.ok(maxUplinkBlobs <= MOST_UPLINK_BLOBS, `${maxUplinkBlobs} x the blob`);
  assert.equal([originBlobs, unfinished], [1, 0]);
});

test('has every host that is well get all of it when others are slow or crash, and hardly later', () => {
  assert.is(simulate({ ...small, failing: 0.1, slow: 0.1 }).unfinished, 0);
  for (const [fault, most] of [
    [{ failing: 0.02 }, MOST_IDEALS],
    // Those that are the last come at the pace of a slow owner: of a blob this small that is much.
    [{ slow: 0.01 }, MOST_IDEALS_SLOW],
  ] as const) {
    const { p99, idealSeconds, originBlobs, unfinished } = simulate({ ...base, ...fault });
    assert.ok(p99 <= most * idealSeconds, `${JSON.stringify(fault)}: ${p99 / idealSeconds} x ideal`);
    assert.equal([originBlobs, unfinished], [1, 0]);
  }
});

test('has a link alone be filled, and one that is shared be halved', () => {
  const alone = simulate({ ...small, hosts: 1, startMs: 0 });
  assert.ok(alone.last / alone.idealSeconds < 1.1, `${alone.last / alone.idealSeconds}`);
  const halved = simulate({
    ...small,
    hosts: 2,
    startMs: 0,
    way: 'tree',
    maxChildren: 2,
    rootRate: small.hostRate,
  });
  assert.ok(Math.abs(halved.last / halved.idealSeconds - 2) < 0.2, `${halved.last / halved.idealSeconds}`);
});

test('has a tree take as many times the ideal as it has children', () => {
  for (const maxChildren of [2, 4]) {
    const { p50, idealSeconds } = simulate({ ...base, way: 'tree', maxChildren });
    assert.ok(Math.abs(p50 / idealSeconds - maxChildren) < 0.3 * maxChildren, `${p50 / idealSeconds}`);
  }
});

test.run();
