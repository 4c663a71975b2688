import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Claim, Waiting } from '../../../functions/blob/leases.ts';
import { StoreLeases } from '../../../functions/root/lease.ts';
import { gate } from '../../support/gate.ts';
import { type LeaseBoard, leaseBoard } from '../../support/lease-board.ts';
import { seeded } from '../../support/seeded.ts';

const test = suite('functions/root/lease');

const LEASE_MS = 6_000;
const NAME = 'aa/key/4194304/7';
const never = new AbortController().signal;

/** Processes over one board: each has what it needs to fetch one thing. */
function process(board: LeaseBoard, options: { isConditional?: () => Promise<boolean> } = {}) {
  const failures: Readonly<Record<string, unknown>>[] = [];
  const waitedAtMs: number[] = [];
  const leases = new StoreLeases({
    objects: board.objects,
    isConditional: options.isConditional ?? (async () => true),
    leaseMs: LEASE_MS,
    now: board.now,
    random: seeded('lease'),
    newHolder: board.newHolder,
    sleep: board.sleep,
    waits: () => waitedAtMs.push(board.now()),
    failed: (fields) => failures.push(fields),
  });
  return {
    failures,
    waitedAtMs,
    leases,
    claim: (waiting: Waiting = 'until found', signal: AbortSignal = never): Promise<Claim<string>> =>
      leases.claim(NAME, async () => board.stored.get(NAME), waiting, signal),
  };
}

test('whoever waits for long for what another holds says so again and again, and nobody else does', async () => {
  const board = leaseBoard();
  const holder = process(board);
  const waiter = process(board);
  const held = holder.claim();
  await board.run(100);
  const waiting = waiter.claim();
  await board.run(20_000);
  assert.ok(waiter.waitedAtMs.length >= 10, `said ${waiter.waitedAtMs.length} times`);
  assert.ok((waiter.waitedAtMs[0] ?? 0) >= 300, 'said at once');
  assert.equal(holder.waitedAtMs, []);
  board.stored.set(NAME, 'kept');
  await (await held).release?.();
  await board.run();
  assert.is((await waiting).found, 'kept');
});

test('one of many may fetch; the others find what it has kept', async () => {
  const board = leaseBoard();
  const claims = Array.from({ length: 20 }, () => process(board).claim());
  const fetching = claims.map(async (claiming) => {
    const claim = await claiming;
    if (claim.release === undefined) return claim.found;
    await board.sleep(400, never);
    board.stored.set(NAME, 'bytes');
    await claim.release();
    return 'fetched';
  });
  await board.run();
  const outcomes = await Promise.all(fetching);
  assert.is(outcomes.filter((outcome) => outcome === 'fetched').length, 1);
  assert.is(outcomes.filter((outcome) => outcome === 'bytes').length, 19);
  assert.is(board.leases.size, 0, 'no lease is left');
});

test('a lease is held for as long as its holder is at it, however long that takes', async () => {
  const board = leaseBoard();
  const holder = process(board).claim();
  await board.run(0);
  const held = await holder;
  const waiting = process(board).claim();
  await board.run(10 * LEASE_MS);
  assert.is(board.leases.size, 1);
  board.stored.set(NAME, 'bytes');
  await held.release?.();
  await board.run();
  assert.is((await waiting).found, 'bytes');
});

test('a holder that dies holds the others up for the time of a lease, and one of them takes over', async () => {
  const board = leaseBoard();
  const dead = process(board).claim();
  await board.run(0);
  await dead;
  board.kill();
  const diedMs = board.now();
  const others = Array.from({ length: 8 }, () => process(board).claim());
  const tookOverMs: number[] = [];
  const done = others.map(async (claiming) => {
    const claim = await claiming;
    if (claim.release === undefined) return;
    tookOverMs.push(board.now());
    board.stored.set(NAME, 'bytes');
    await claim.release();
  });
  await board.run();
  await Promise.all(done);
  assert.is(tookOverMs.length, 1);
  // A second for the clock of the store, which has no smaller unit, and two for the pauses between looks.
  assert.ok((tookOverMs[0] ?? Infinity) - diedMs <= LEASE_MS + 3_000, String(tookOverMs));
});

test('what its holder could not get is tried by one other at a time, or by all where that is better', async () => {
  for (const [waiting, atOnce] of [
    ['until found', 1],
    ['for one', 5],
  ] as const) {
    const board = leaseBoard();
    const failing = process(board).claim();
    await board.run(0);
    const held = await failing;
    let trying = 0;
    let most = 0;
    const others = Array.from({ length: 5 }, async () => {
      const claim = await process(board).claim(waiting);
      trying += 1;
      most = Math.max(most, trying);
      await board.sleep(2_000, never);
      trying -= 1;
      await claim.release?.();
    });
    await board.run(1_000);
    assert.is(trying, 0, 'they wait for the first');
    await held.release?.();
    await board.run();
    await Promise.all(others);
    assert.is(most, atOnce, waiting);
  }
});

test('whoever gets a lease looks again: it may have been kept since it last looked', async () => {
  const board = leaseBoard();
  board.stored.set(NAME, 'bytes');
  const claim = process(board).claim();
  await board.run(0);
  assert.is((await claim).found, 'bytes');
  assert.is(board.leases.size, 0);
});

test('a write whose reply was lost counts as done', async () => {
  const board = leaseBoard();
  board.losesReplies = 1;
  const claim = process(board).claim();
  await board.run(0);
  assert.type((await claim).release, 'function');
  assert.is(board.now(), 0, 'it does not wait for its own lease to end');
});

test('a lease that was taken over is not given back by whom it was taken from', async () => {
  const board = leaseBoard();
  const slow = process(board).claim();
  await board.run(0);
  const first = await slow;
  // The first is frozen: it does not renew.
  board.kill();
  const other = process(board).claim();
  await board.run(LEASE_MS + 3_000);
  const second = await other;
  await first.release?.();
  assert.is(board.leases.size, 1);
  await second.release?.();
  assert.is(board.leases.size, 0);
});

test('a store without conditions, or one that fails, keeps nobody from fetching', async () => {
  const board = leaseBoard();
  const without = process(board, { isConditional: async () => false });
  assert.type((await without.claim()).release, 'function');
  assert.type((await without.claim()).release, 'function');
  assert.equal(without.failures, []);
  board.fails = true;
  const failing = process(board);
  const claim = await failing.claim();
  await claim.release?.();
  assert.is(failing.failures.length, 1);
});

test('what could not be found out about the store is asked again', async () => {
  const board = leaseBoard();
  const answers = [Promise.reject(new Error('away')), Promise.resolve(false)];
  let asked = 0;
  const one = process(board, { isConditional: () => answers[asked++] as Promise<boolean> });
  for (let times = 0; times < 3; times += 1) await one.claim();
  assert.is(asked, 2);
  assert.is(one.failures.length, 1);
});

test('whoever is fetching already lets the others know, and waits for nobody', async () => {
  const board = leaseBoard();
  const first = process(board).claim('not at all');
  await board.run(0);
  assert.is(board.leases.size, 1);
  const second = process(board).claim('not at all');
  await board.run(0);
  await (await second).release?.();
  assert.is(board.leases.size, 1, 'it is the first one’s');
  await (await first).release?.();
  assert.is(board.leases.size, 0);
});

test('whoever gives up waiting is let go', async () => {
  const board = leaseBoard();
  const holder = process(board).claim();
  await board.run(0);
  await holder;
  const gone = new AbortController();
  const waiting = process(board).claim('until found', gone.signal);
  const failed = gate();
  const settled = waiting.catch((error: Error) => {
    failed.open();
    return error.message;
  });
  await board.run(1_000);
  gone.abort(new Error('closed'));
  await failed.opened;
  assert.is(await settled, 'closed');
});

test('is settled once it is known what the store can do, or that it cannot be told', async () => {
  for (const fails of [false, true]) {
    const told = gate();
    const isConditional = async () => {
      await told.opened;
      if (fails) throw new Error('S3 is away');
      return true;
    };
    const { leases } = process(leaseBoard(), { isConditional });
    await leases.settled();
    leases.start();
    let isSettled = false;
    const settled = leases.settled().then(() => {
      isSettled = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.not(isSettled);
    told.open();
    await settled;
  }
});

test.run();
