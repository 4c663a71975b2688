import { setTimeout as wait } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Sending, SendTurns, type Turn } from '../../../functions/service/send-turns.ts';
import { rejects } from '../../support/rejects.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/service/send-turns');

const NEVER = new AbortController().signal;
const MiB = 2 ** 20;
const sending = (more: Partial<Sending> = {}): Sending => ({
  peer: 'http://a:1',
  blob: 'blob',
  start: 0,
  length: MiB,
  isThere: () => true,
  ...more,
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Turns by a clock that stands still but for `pass`. */
function turnsBy() {
  const clock = { nowMs: 0 };
  return {
    clock,
    turns: new SendTurns(() => clock.nowMs),
  };
}

/** Takes turns until one has to wait; that one leaves the line. */
async function takeAll(turns: SendTurns, peer = 'http://a:1'): Promise<Turn[]> {
  const taken: Turn[] = [];
  for (let isFull = false; !isFull; ) {
    const leaving = new AbortController();
    const taking = turns.take(sending({ peer }), leaving.signal).catch(() => undefined);
    const given = await Promise.race([taking, turn().then(() => 'none' as const)]);
    isFull = given === 'none';
    if (given === 'none') leaving.abort();
    else if (given !== undefined) taken.push(given);
    assert.ok(taken.length <= 100, 'no end of turns');
  }
  return taken;
}

/** How many at once there are after rounds in which each body takes as long as `msOf` says of so many. */
async function atOnceAfter(rounds: number, msOf: (atOnce: number, at: number) => number): Promise<number> {
  const { clock, turns } = turnsBy();
  for (let round = 0; round < rounds; round += 1) {
    const taken = await takeAll(turns);
    const startedMs = clock.nowMs;
    for (const [at, one] of taken.entries()) {
      clock.nowMs = startedMs + msOf(taken.length, at);
      one.end(MiB);
    }
  }
  return (await takeAll(turns)).length;
}

test('sends four at first, and the next as one of these ends, once for each', async () => {
  const { turns } = turnsBy();
  const taken = await takeAll(turns);
  assert.is(taken.length, 4);
  let given = 0;
  const waiting = [1, 2].map(() =>
    turns.take(sending(), NEVER).then((one) => {
      given += 1;
      return one;
    }),
  );
  await turn();
  assert.is(given, 0);
  taken[0]?.end();
  taken[0]?.end();
  await turn();
  assert.is(given, 1);
  taken[1]?.end();
  await Promise.all(waiting);
});

test('sends what begins first in a blob first, and blobs in the order in which they were asked for', async () => {
  const { turns } = turnsBy();
  const taken = await takeAll(turns);
  const given: string[] = [];
  const asked = [
    ['x', 3],
    ['y', 2],
    ['x', 1],
    ['y', 0],
    ['x', 2],
  ] as const;
  for (const [blob, start] of asked)
    void turns.take(sending({ blob, start: start * MiB }), NEVER).then((one) => {
      given.push(`${blob}${start}`);
      one.end();
    });
  taken[0]?.end();
  await until('all to be sent', () => given.length === asked.length);
  assert.equal(given, ['x1', 'y0', 'x2', 'y2', 'x3']);
});

test('lets nobody be passed by for ever, whoever else comes', async () => {
  const { turns } = turnsBy();
  const taken = await takeAll(turns);
  let isSent = false;
  const late = turns.take(sending({ start: 100 * MiB }), NEVER).then(() => {
    isSent = true;
  });
  let earlier = 0;
  for (let last = taken[0]; !isSent && earlier < 100; earlier += 1) {
    const next = turns.take(sending(), NEVER);
    last?.end();
    last = await Promise.race([next, late.then(() => undefined)]);
  }
  assert.ok(isSent && earlier > 2, `after ${earlier} others`);
});

test('learns nothing of the link from what is much shorter than the rest', async () => {
  const { clock, turns } = turnsBy();
  for (let round = 0; round < 30; round += 1) {
    const taken = await takeAll(turns);
    const short = taken.shift();
    clock.nowMs += 0.01;
    // The kernel takes as much at once.
    short?.end(round === 0 ? 0 : 128 * 1024);
    clock.nowMs += 10;
    for (const one of taken) one.end(MiB);
  }
  assert.ok((await takeAll(turns)).length > 4);
});

test('has few where the link is full, and more where more at once take no longer', async () => {
  const full = await atOnceAfter(30, (count) => 10 * count);
  assert.ok(full >= 4 && full <= 9, `${full} at once`);
  assert.ok((await atOnceAfter(30, () => 10)) > 12);
});

test('takes a peer whose own link is slow for no sign of a full one', async () => {
  const { clock, turns } = turnsBy();
  for (let round = 0; round < 30; round += 1) {
    const slow = await turns.take(sending({ peer: 'http://slow:1' }), NEVER);
    const taken = await takeAll(turns, 'http://fast:1');
    clock.nowMs += 10;
    for (const one of taken) one.end(MiB);
    clock.nowMs += 90;
    slow.end(MiB);
  }
  assert.ok((await takeAll(turns)).length > 12);
});

test('lets nobody wait long for who is slow', async () => {
  const { turns } = turnsBy();
  const taken = await takeAll(turns);
  const taking = turns.take(sending(), NEVER);
  assert.is(await Promise.race([taking, wait(500, 'none yet')]), 'none yet');
  // What ends the wait keeps no process alive.
  await wait(600);
  const next = await taking;
  // Those that were passed by take up no room, and free none as they end.
  for (const one of taken) one.end(MiB);
  next.end(MiB);
  await wait(1);
  const again = (await takeAll(turns)).length;
  assert.ok(again >= 4 && again <= 5, `${again} at once`);
});

test('lets nobody wait long for what does not come, however long others take, and learns nothing of it', async () => {
  const { clock, turns } = turnsBy();
  // As if each had taken ten seconds.
  for (let round = 0; round < 4; round += 1) {
    const taken = await takeAll(turns);
    clock.nowMs += 10_000;
    for (const one of taken) one.end(MiB);
  }
  const many = (await takeAll(turns)).length;
  assert.ok(many >= 4);
  const next = turns.take(sending({ isThere: () => false }), NEVER);
  assert.is(await Promise.race([next, wait(1_500, 'none yet')]), 'none yet', 'those are at hand');
  await wait(4_000);
  await next;
  for (let more = 1; more < many; more += 1) await turns.take(sending({ isThere: () => false }), NEVER);
  const after = turns.take(sending(), NEVER);
  await wait(1_100);
  await after;
});

test('lets who leaves the line hold up nobody', async () => {
  const { turns } = turnsBy();
  const taken = await takeAll(turns);
  const leaving = new AbortController();
  const left = turns.take(sending(), leaving.signal);
  let isNext = false;
  const next = turns.take(sending(), NEVER).then(() => {
    isNext = true;
  });
  leaving.abort();
  await rejects('CLIENT_GONE', left);
  await rejects('CLIENT_GONE', turns.take(sending(), AbortSignal.abort()));
  await turn();
  assert.not(isNext);
  taken[0]?.end();
  await next;
});

test.run();
