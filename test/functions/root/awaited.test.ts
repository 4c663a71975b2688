import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Awaited } from '../../../functions/root/awaited.ts';

const test = suite('functions/root/awaited');

/** A place for marks with a clock of its own, and a process over it. */
function scene() {
  const world = { nowMs: 1_000_000, fails: false };
  const marks = new Map<string, number>();
  const failures: unknown[] = [];
  const calls = { marks: 0 };
  const shelf = {
    async mark(name: string) {
      calls.marks += 1;
      if (world.fails) throw new Error('the store fails');
      marks.set(name, world.nowMs);
    },
    async ageOf(name: string) {
      const atMs = marks.get(name);
      return atMs === undefined ? undefined : world.nowMs - atMs;
    },
  };
  const open = () =>
    new Awaited(
      shelf,
      () => world.nowMs,
      (cause) => failures.push(cause),
    );
  return { world, calls, failures, open };
}

test('what one process tells all others know, for a few seconds', async () => {
  const { world, open } = scene();
  const [waiter, other] = [open(), open()];
  assert.not(await other.isTold());
  waiter.tell();
  assert.ok(await other.isTold());
  world.nowMs += 5_000;
  assert.ok(await other.isTold());
  world.nowMs += 1_000;
  assert.not(await other.isTold());
});

test('a process that waits for much writes one mark every two seconds', async () => {
  const { world, calls, open } = scene();
  const waiter = open();
  for (const _ of Array.from({ length: 100 })) {
    waiter.tell();
    world.nowMs += 100;
  }
  assert.is(calls.marks, 5);
});

test('a mark that cannot be written is told, and tried again', async () => {
  const { world, failures, open } = scene();
  const waiter = open();
  world.fails = true;
  waiter.tell();
  await Promise.resolve();
  assert.is(failures.length, 1);
  world.fails = false;
  world.nowMs += 2_000;
  waiter.tell();
  assert.ok(await waiter.isTold());
});

test.run();
