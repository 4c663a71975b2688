import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Lane, OriginLanes, type OriginRange } from '../../../functions/service/origin-lanes.ts';
import { rejects } from '../../support/rejects.ts';

const test = suite('functions/service/origin-lanes');

const RANGE: OriginRange = { origin: 'http://origin.example', blob: 'blob', start: 0 };
const NEVER = new AbortController().signal;
const MiB = 2 ** 20;

/** Takes as many lanes as there are, and returns them; one more waits in line. */
async function takeAll(lanes: OriginLanes, range = RANGE): Promise<Lane[]> {
  const taken: Lane[] = [];
  let isFull = false;
  while (!isFull) {
    const leaving = new AbortController();
    const taking = lanes.take(range, leaving.signal).catch(() => undefined);
    const lane = await Promise.race([
      taking,
      new Promise<'none'>((resolve) => setImmediate(resolve, 'none')),
    ]);
    if (lane === 'none') {
      isFull = true;
      leaving.abort();
    } else if (lane !== undefined) taken.push(lane);
    assert.ok(taken.length <= 100, 'no end of lanes');
  }
  return taken;
}

/** How many lanes there are after so many rounds in which all ranges take as long as `msOf` says of so many at once. */
async function lanesAfter(rounds: number, msOf: (atOnce: number) => number): Promise<number> {
  let now = 0;
  const lanes = new OriginLanes({ now: () => now });
  const alone = await lanes.take(RANGE, NEVER);
  now += msOf(1);
  alone.leave(MiB);
  for (let round = 0; round < rounds; round += 1) {
    const taken = await takeAll(lanes);
    now += msOf(taken.length);
    for (const lane of taken) lane.leave(MiB);
  }
  return (await takeAll(lanes)).length;
}

test('lets eight read from an origin at first, and the next in the order in which they came', async () => {
  const lanes = new OriginLanes();
  const taken = await takeAll(lanes);
  assert.is(taken.length, 8);
  const came: number[] = [];
  const waiting = [1, 2, 3].map(async (which) => {
    await lanes.take(RANGE, NEVER);
    came.push(which);
  });
  taken[3]?.leave();
  // Once is enough.
  taken[3]?.leave();
  await waiting[0];
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(came, [1]);
  taken[0]?.leave();
  taken[1]?.leave();
  await Promise.all(waiting);
  assert.equal(came, [1, 2, 3]);
});

test('lets in first what begins first in its blob', async () => {
  const lanes = new OriginLanes();
  const [first] = await takeAll(lanes);
  const came: number[] = [];
  const waiting = [3, 1, 2].map(async (start) => {
    const lane = await lanes.take({ ...RANGE, start }, NEVER);
    came.push(start);
    lane.leave();
  });
  first?.leave();
  await Promise.all(waiting);
  assert.equal(came, [1, 2, 3]);
});

test('keeps origins apart', async () => {
  const lanes = new OriginLanes();
  await takeAll(lanes);
  assert.is((await takeAll(lanes, { ...RANGE, origin: 'http://other.example' })).length, 8);
});

test('has few where ranges share a link that is full, and makes each wait for few', async () => {
  const atOnce = await lanesAfter(20, (count) => 10 * count);
  assert.ok(atOnce >= 4 && atOnce <= 5, `${atOnce} at once`);
});

test('has more and more where more at once take no longer, up to a limit', async () => {
  assert.is(await lanesAfter(60, () => 300), 64);
});

test('has more again where a range takes longer by now, however few there are', async () => {
  let isShared = true;
  let rounds = 0;
  const atOnce = await lanesAfter(200, (count) => {
    rounds += 1;
    isShared = rounds < 20;
    return isShared ? 10 * count : 30;
  });
  assert.ok(atOnce >= 16, `${atOnce} at once`);
});

test('learns nothing from what broke off or was short', async () => {
  let now = 0;
  const lanes = new OriginLanes({ now: () => now });
  for (let round = 0; round < 10; round += 1) {
    const taken = await takeAll(lanes);
    now += 10;
    for (const lane of taken) lane.leave(round % 2 === 0 ? undefined : 1000);
  }
  assert.is((await takeAll(lanes)).length, 8);
});

test('lets none in behind a range that many have overtaken on a link that is full, until it ends', async () => {
  let now = 0;
  const lanes = new OriginLanes({ now: () => now });
  const alone = await lanes.take(RANGE, NEVER);
  now += 10;
  alone.leave(MiB);
  const [starved, ...others] = await takeAll(lanes);
  // Each takes as if it were one of many: as few are let in as may be, and then none.
  now += 400;
  for (const other of others) other.leave(MiB);
  let isIn = false;
  const next = lanes.take(RANGE, NEVER).then(() => {
    isIn = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.not(isIn);
  starved?.leave(MiB);
  await next;
});

test('ends a range whose connection gets nothing through that others do, and no other', async () => {
  let now = 0;
  const lanes = new OriginLanes({ now: () => now });
  const [silent, lively, beginning] = await Promise.all([1, 2, 3].map(() => lanes.take(RANGE, NEVER)));
  silent?.moved();
  now = 4_000;
  const unwatched = await new OriginLanes({ now: () => now, watches: false }).take(RANGE, NEVER);
  unwatched.moved();
  // While nothing comes of any it is not the connection.
  await setTimeout(700);
  assert.not(silent?.isStuck);
  lively?.moved();
  await setTimeout(700);
  assert.ok(silent?.isStuck);
  assert.ok(silent?.signal.aborted);
  assert.not(lively?.signal.aborted);
  // An origin may take its time for the head.
  assert.not(beginning?.signal.aborted);
  for (const lane of [silent, lively, beginning]) lane?.leave();
});

test('aborts with the signal that it was taken with, until it is left', async () => {
  const lanes = new OriginLanes();
  const [going, gone] = [new AbortController(), new AbortController()];
  const [lane, left] = [await lanes.take(RANGE, going.signal), await lanes.take(RANGE, gone.signal)];
  lane.share();
  going.abort();
  assert.ok(lane.signal.aborted);
  assert.not(lane.isStuck);
  left.leave();
  gone.abort();
  assert.not(left.signal.aborted);
});

test('closes for nobody where it is not the link that is full, nor many share it', async () => {
  // Each takes as long as the others, however many there are: by and by there are many.
  for (const rounds of [1, 10]) {
    let now = 0;
    const lanes = new OriginLanes({ now: () => now });
    for (let round = 0; round < rounds; round += 1) {
      const taken = await takeAll(lanes);
      now += 10;
      for (const lane of taken) lane.leave(MiB);
    }
    const [, ...others] = await takeAll(lanes);
    now += 10;
    for (const other of others) other.leave(MiB);
    await lanes.take(RANGE, NEVER);
  }
});

test('closes for nobody whom only short ranges, and what is no range, have overtaken', async () => {
  let now = 0;
  const lanes = new OriginLanes({ now: () => now });
  const alone = await lanes.take(RANGE, NEVER);
  now += 10;
  alone.leave(MiB);
  // Down to as few as may be: those that began first have the others behind them.
  let taken = await takeAll(lanes);
  for (let round = 0; round < 4; round += 1) {
    now += 400;
    for (const lane of taken.reverse()) lane.leave(MiB);
    taken = await takeAll(lanes);
  }
  assert.is(taken.length, 4);
  const [, ...others] = taken;
  for (let round = 0; round < 3; round += 1) {
    others.pop()?.leave(100_000);
    others.pop()?.share();
    others.push(await lanes.take(RANGE, NEVER), await lanes.take(RANGE, NEVER));
  }
});

test('learns nothing of a link from ranges that are read one at a time', async () => {
  let now = 0;
  const lanes = new OriginLanes({ now: () => now });
  for (let count = 0; count < 40; count += 1) {
    const lane = await lanes.take(RANGE, NEVER);
    now += count % 2 === 0 ? 10 : 400;
    lane.leave(MiB);
  }
  assert.is((await takeAll(lanes)).length, 8);
});

test('leaves the line when the signal aborts', async () => {
  const lanes = new OriginLanes();
  const [first] = await takeAll(lanes);
  const leaving = new AbortController();
  const given = lanes.take(RANGE, leaving.signal);
  const next = lanes.take(RANGE, NEVER);
  leaving.abort();
  await rejects('CLIENT_GONE', given);
  first?.leave();
  await next;
});

test.run();
