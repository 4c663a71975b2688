import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KiB, MiB } from '../../../functions/blob/chunk.ts';
import { ReadPace } from '../../../functions/service/read-pace.ts';

const test = suite('functions/service/read-pace');

/** Reads from a link of so many bytes a millisecond whenever the pace allows, and at once what has come. */
function readAll(bytesPerMs: number, length: number) {
  const pace = new ReadPace();
  let nowMs = 0;
  let pausedMs = 0;
  let longestMs = 0;
  let got = 0;
  let reads = 0;
  while (got < length) {
    // What the kernel tells as soon as it comes: a few packets.
    nowMs = Math.max(nowMs, (got + 1) / bytesPerMs) + (4 * KiB) / bytesPerMs;
    const bytes = Math.max(1, Math.min(length, Math.floor(nowMs * bytesPerMs)) - got);
    got += bytes;
    reads += 1;
    const pauseMs = pace.after(bytes, length - got, nowMs);
    pausedMs += pauseMs;
    longestMs = Math.max(longestMs, pauseMs);
    nowMs += pauseMs;
  }
  return { reads, pausedMs, longestMs, tookMs: nowMs };
}

test('never holds up a fast link', () => {
  for (const bytesPerMs of [50_000, 125_000, 1_000_000, 3_000_000]) {
    assert.is(readAll(bytesPerMs, 4 * MiB).pausedMs, 0);
  }
});

test('reads a slow link in pieces that are worth it, and ends no later', () => {
  for (const bytesPerMs of [1_000, 3_000, 6_000, 12_000]) {
    const { reads, longestMs, tookMs } = readAll(bytesPerMs, 4 * MiB);
    const worth = Math.min(64 * KiB, 20 * bytesPerMs);
    assert.ok(reads < (1.5 * 4 * MiB) / worth, `${reads} reads at ${bytesPerMs} bytes a ms`);
    assert.ok(longestMs <= 20);
    assert.ok(tookMs < ((4 * MiB) / bytesPerMs) * 1.02 + 2, `${tookMs} ms at ${bytesPerMs} bytes a ms`);
  }
});

test('waits for nothing after the first bytes, nor for what has all come', () => {
  const pace = new ReadPace();
  assert.is(pace.after(1, MiB, 1_000), 0);
  assert.is(pace.after(1, 0, 2_000), 0);
  // After a time in which nothing came it does not wait as long again.
  assert.is(pace.after(100, MiB, 60_000), 20);
});

test.run();
