import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KiB, MiB } from '../../../functions/blob/chunk.ts';
import { ReadPace, ReadRounds } from '../../../functions/service/read-pace.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/service/read-pace');

const ROUND_MS = 40;

/** Reads from a link of so many bytes a millisecond, at once or after a round, whatever has come. */
function readAll(bytesPerMs: number, length: number, kernelBytes = Number.POSITIVE_INFINITY) {
  const pace = new ReadPace();
  let nowMs = 0;
  let waits = 0;
  let reads = 0;
  let longest = 0;
  for (let got = 0; got < length; ) {
    // What the kernel tells of as soon as it comes: a few packets.
    nowMs = Math.max(nowMs, (got + 4 * KiB) / bytesPerMs);
    const bytes = Math.min(Math.min(length, Math.ceil(nowMs * bytesPerMs)) - got, kernelBytes);
    got += bytes;
    reads += 1;
    const rounds = pace.rounds(bytes, length - got, nowMs);
    if (rounds === 0) continue;
    waits += 1;
    longest = Math.max(longest, rounds);
    nowMs += rounds * ROUND_MS;
  }
  return { reads, waits, longest, tookMs: nowMs };
}

test('never holds up a fast link', () => {
  for (const bytesPerMs of [12_500, 50_000, 125_000, 1_000_000, 3_000_000]) {
    assert.is(readAll(bytesPerMs, 4 * MiB).waits, 0);
  }
});

test('is not held up for good where the kernel holds little, once a link was slow', () => {
  const { waits } = readAll(125_000, 4 * MiB, 48 * KiB);
  assert.is(waits, 0);
  // The first bytes came late and few.
  const pace = new ReadPace();
  pace.rounds(2 * KiB, 4 * MiB, 0);
  assert.ok(pace.rounds(2 * KiB, 4 * MiB, 30) > 0);
  assert.is(pace.rounds(48 * KiB, 4 * MiB, 30 + ROUND_MS), 0);
  assert.is(pace.rounds(48 * KiB, 4 * MiB, 30.4 + ROUND_MS), 0);
});

test('reads a slow link twice a round at most, and ends no later', () => {
  for (const bytesPerMs of [500, 1_000, 3_000, 6_000]) {
    const { reads, tookMs } = readAll(bytesPerMs, 4 * MiB);
    const rounds = (4 * MiB) / bytesPerMs / ROUND_MS;
    assert.ok(reads < 2.1 * rounds + 10, `${reads} reads in ${rounds} rounds`);
    assert.ok(tookMs <= (4 * MiB) / bytesPerMs + 4 * ROUND_MS, `${tookMs} ms at ${bytesPerMs} bytes a ms`);
  }
});

test('waits for as many rounds as what is worth a read takes to gather, but not for ever', () => {
  for (const [bytesPerMs, longest] of [
    [3_000, 1],
    [700, 2],
    [350, 4],
    [50, 4],
  ] as const)
    assert.is(readAll(bytesPerMs, 4 * MiB).longest, longest, `at ${bytesPerMs} bytes a ms`);
});

test('waits for nothing after the first bytes, nor for what has all come', () => {
  const pace = new ReadPace();
  assert.is(pace.rounds(1, MiB, 1_000), 0);
  assert.is(pace.rounds(1, 0, 2_000), 0);
  assert.ok(pace.rounds(1, MiB, 3_000) > 0);
});

test('reads all that wait in one round, and not those that left', async () => {
  const rounds = new ReadRounds(1);
  const read: string[] = [];
  const leaving = () => {
    read.push('left');
  };
  rounds.join(leaving);
  rounds.leave(leaving);
  rounds.join(() => {
    read.push('a');
    // For the next round.
    rounds.join(() => read.push('c'));
  });
  rounds.join(leaving);
  rounds.join(() => read.push('b'));
  rounds.leave(leaving);
  await until('two rounds', () => read.length >= 3);
  assert.equal(read, ['a', 'b', 'c']);
});

test('reads those that wait for several rounds together, too', async () => {
  const rounds = new ReadRounds(1);
  const read: string[] = [];
  rounds.join(() => {
    read.push('first');
    // Of these the second is due with the third: in a round whose number four divides.
    rounds.join(() => read.push('early'), 2);
    rounds.join(() => read.push('late'), 4);
    rounds.join(() => rounds.join(() => rounds.join(() => read.push('with it'))));
  });
  await until('all rounds', () => read.length >= 4);
  assert.equal(read, ['first', 'early', 'late', 'with it']);
});

test.run();
