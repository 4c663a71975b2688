import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KiB, MiB } from '../../../../functions/blob/chunk.ts';
import { planTasks, tasksOfLane } from '../../../../functions/root/warm/plan.ts';

const test = suite('functions/root/warm/plan');

const CHUNK = 4 * MiB;
const GiB = 1024 * MiB;

const blobs = (...sizes: number[]) => sizes.map((size, n) => ({ at: `blob-${n}`, size }));

test('a blob that is not large is one task, which proves it', () => {
  assert.equal(planTasks(blobs(1, 10 * MiB), CHUNK), [
    { blob: 0, first: 0, end: 1, proves: true },
    { blob: 1, first: 0, end: 3, proves: true },
  ]);
});

test('an empty blob has a task, too: somebody has to say that it is there', () => {
  assert.equal(planTasks(blobs(0), CHUNK), [{ blob: 0, first: 0, end: 0, proves: true }]);
});

test('a large blob is cut up, and proven after all else', () => {
  const tasks = planTasks(blobs(GiB + 1, 5), CHUNK);
  assert.equal(
    tasks.map(({ blob, first, end, proves }) => [blob, first, end, proves]),
    [
      [0, 0, 64, false],
      [0, 64, 128, false],
      [0, 128, 192, false],
      [0, 192, 256, false],
      [0, 256, 257, false],
      [1, 0, 1, true],
      [0, 257, 257, true],
    ],
  );
});

test('every chunk of every blob is in one task, and every task in one lane', () => {
  const sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 300 * MiB, GiB + 7];
  for (const chunkBytes of [64 * KiB, CHUNK, 64 * MiB]) {
    const tasks = planTasks(blobs(...sizes), chunkBytes);
    for (const [blob, size] of sizes.entries()) {
      const own = tasks.filter((task) => task.blob === blob);
      const chunks = own.flatMap(({ first, end }) =>
        Array.from({ length: end - first }, (_, n) => first + n),
      );
      assert.equal(
        chunks.sort((a, b) => a - b),
        Array.from({ length: Math.ceil(size / chunkBytes) }, (_, n) => n),
      );
      assert.is(own.filter(({ proves }) => proves).length, 1);
    }
    const lanes = [0, 1, 2].flatMap((lane) => tasksOfLane(tasks, lane, 3));
    assert.is(new Set(lanes).size, tasks.length);
    assert.is(lanes.length, tasks.length);
  }
});

test.run();
