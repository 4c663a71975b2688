import { setImmediate as turn } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WriteTurns } from '../../../functions/root/write-turns.ts';

const test = suite('functions/root/write-turns');

const MOST = 100;

/** Writes that end when they are told to, and what goes on around them. */
function scene({ isBusy = false }: { isBusy?: boolean }) {
  const world = { isBusy, isAwaited: false, answers: true, checks: 0, nowMs: 0 };
  let check: (() => void) | undefined;
  const begun: number[] = [];
  const endings = new Map<number, (failure?: Error) => void>();
  const turns = new WriteTurns({
    isBusy: () => world.isBusy,
    async isAwaited() {
      world.checks += 1;
      if (!world.answers) throw new Error('the store fails');
      return world.isAwaited;
    },
    mostHeld: MOST,
    now: () => world.nowMs,
    every(_, run) {
      check = run;
      return () => {
        check = undefined;
      };
    },
  });
  return {
    world,
    turns,
    begun,
    write: (name: number) =>
      turns.take(() => {
        begun.push(name);
        return new Promise<number>((resolve, reject) =>
          endings.set(name, (failure) => (failure ? reject(failure) : resolve(name))),
        );
      }),
    async end(name: number, failure?: Error) {
      await turn();
      endings.get(name)?.(failure);
      await turn();
    },
    /** Time passes. */
    async tick(ms = 1_000) {
      world.nowMs += ms;
      check?.();
      await turn();
      await turn();
    },
    isChecking: () => check !== undefined,
  };
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

test('while readers are being sent bytes writes wait, and after a minute go one by one, in their order', async () => {
  const { write, begun, end, tick } = scene({ isBusy: true });
  const writes = upTo(3).map(write);
  await tick(59_000);
  assert.equal(begun, []);
  await tick();
  assert.equal(begun, [0]);
  for (const name of upTo(3)) {
    await end(name);
    assert.is(await writes[name], name);
    assert.equal(begun, upTo(Math.min(3, name + 2)));
  }
});

test('while nobody is being sent bytes many writes go at a time', async () => {
  const { write, begun } = scene({});
  for (const name of upTo(40)) void write(name);
  await turn();
  assert.is(begun.length, 32);
});

test('in a pause of the readers a few writes begin, more as these are done, and few again in the next', async () => {
  const { turns, begun, write, world, tick, end } = scene({ isBusy: true });
  for (const name of upTo(60)) void write(name);
  await tick();
  assert.is(begun.length, 0);
  world.isBusy = false;
  await tick();
  assert.is(begun.length, 2);
  await end(0);
  assert.is(begun.length, 1 + 4);
  await end(1);
  assert.is(begun.length, 2 + 8);
  for (const name of [2, 3, 4]) await end(name);
  assert.is(begun.length, 5 + 32);
  world.isBusy = true;
  for (const name of begun.slice(5)) await end(name);
  assert.is(turns.count, 60 - 37);
  world.isBusy = false;
  await tick();
  assert.is(begun.length, 37 + 2);
});

test('nothing is held back that another process waits for', async () => {
  const { world, write, begun, tick } = scene({ isBusy: true });
  for (const name of upTo(5)) void write(name);
  await tick();
  assert.is(begun.length, 0);
  world.isAwaited = true;
  await tick();
  assert.is(begun.length, 5);
  void write(5);
  await turn();
  assert.is(begun.length, 6);
  world.isAwaited = false;
});

test('a store that cannot be asked who waits has writes go on as if nobody did', async () => {
  const { world, write, begun, tick, end } = scene({ isBusy: true });
  world.answers = false;
  for (const name of upTo(3)) void write(name);
  await tick();
  assert.is(begun.length, 0);
  await tick(60_000);
  assert.is(begun.length, 1);
  await end(0);
  assert.is(begun.length, 2);
});

test('with little room left for more, writes go as if nobody were there', async () => {
  const { write, begun, turns } = scene({ isBusy: true });
  for (const name of upTo(MOST * 0.75 - 1)) void write(name);
  await turn();
  assert.is(begun.length, 0);
  void write(MOST);
  await turn();
  assert.is(begun.length, 32);
  assert.is(turns.count, MOST * 0.75);
});

test('a write that fails is told to whoever wrote, and the next has its turn', async () => {
  const { write, begun, end, turns, tick } = scene({ isBusy: true });
  const failing = write(0).catch((error: unknown) => error);
  const next = write(1);
  await tick(60_000);
  await end(0, new Error('full'));
  assert.is(((await failing) as Error).message, 'full');
  assert.equal(begun, [0, 1]);
  await end(1);
  assert.is(await next, 1);
  assert.is(turns.count, 0);
});

test('nobody is asked anything once nothing waits', async () => {
  const { world, write, tick, isChecking } = scene({});
  void write(0);
  assert.not(isChecking());
  world.isBusy = true;
  void write(1);
  assert.ok(isChecking());
  world.isBusy = false;
  await tick();
  assert.is(world.checks, 1);
  assert.not(isChecking());
});

test.run();
