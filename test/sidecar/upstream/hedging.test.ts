import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Hedging } from '../../../sidecar/upstream/hedging.ts';

const test = suite('sidecar/upstream/hedging');

/** After so many first bytes, each so late. */
function after(...times: readonly number[]): Hedging {
  const hedging = new Hedging();
  for (const ms of times) hedging.took(ms);
  return hedging;
}

test('waits a second until enough is known', () => {
  assert.is(after(...Array(19).fill(5)).afterMs, 1_000);
});

test('waits as long as 19 of 20 take', () => {
  assert.is(after(...Array(95).fill(1_200), ...Array(5).fill(1_500)).afterMs, 1_200);
  assert.is(after(...Array(94).fill(1_200), ...Array(6).fill(1_500)).afterMs, 1_500);
});

test('waits neither less than a second nor more than two', () => {
  assert.is(after(...Array(100).fill(1)).afterMs, 1_000);
  assert.is(after(...Array(100).fill(30_000)).afterMs, 2_000);
});

test('goes by the last 128 alone', () => {
  assert.is(after(...Array(500).fill(1_800), ...Array(128).fill(1_200)).afterMs, 1_200);
});

test('asks twice ten times in a row, then for one request in ten', () => {
  const hedging = new Hedging();
  const spent = () => Array.from({ length: 20 }, () => hedging.spend()).filter(Boolean).length;
  assert.is(spent(), 10);
  for (let times = 0; times < 31; times += 1) hedging.took(100);
  assert.is(spent(), 3);
});

test.run();
