import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Breaker } from '../../../sidecar/upstream/breaker.ts';

const test = suite('sidecar/upstream/breaker');

function breakerAt(clock: { nowMs: number }): Breaker {
  const breaker = new Breaker(() => clock.nowMs);
  for (let n = 0; n < 3; n += 1) breaker.failed();
  return breaker;
}

test('stays closed over fewer than three failures in a row', () => {
  const breaker = new Breaker(() => 0);
  for (let round = 0; round < 5; round += 1) {
    breaker.failed();
    breaker.failed();
    assert.not(breaker.isOpen);
    breaker.succeeded();
  }
});

test('opens at three failures in a row for five seconds', () => {
  const clock = { nowMs: 0 };
  const breaker = breakerAt(clock);
  assert.ok(breaker.isOpen);
  clock.nowMs = 4_999;
  assert.ok(breaker.isOpen);
});

test('lets one through when the pause is over, and the others wait for what it finds', () => {
  const clock = { nowMs: 0 };
  const breaker = breakerAt(clock);
  clock.nowMs = 5_000;
  assert.equal([breaker.isOpen, breaker.isOpen, breaker.isOpen], [false, true, true]);
});

test('opens again when the one let through fails, and closes when it succeeds', () => {
  const clock = { nowMs: 0 };
  const breaker = breakerAt(clock);
  clock.nowMs = 5_000;
  assert.not(breaker.isOpen);
  breaker.failed();
  clock.nowMs = 9_999;
  assert.ok(breaker.isOpen);
  clock.nowMs = 10_000;
  assert.not(breaker.isOpen);
  breaker.succeeded();
  assert.not(breaker.isOpen);
  assert.not(breaker.isOpen);
});

test('lets one more through when the one let through never tells what it found', () => {
  const clock = { nowMs: 0 };
  const breaker = breakerAt(clock);
  for (let atMs = 5_000; atMs < 60_000; atMs += 5_000) {
    clock.nowMs = atMs;
    assert.equal([breaker.isOpen, breaker.isOpen], [false, true]);
    clock.nowMs = atMs + 4_999;
    assert.ok(breaker.isOpen);
  }
  breaker.succeeded();
  assert.not(breaker.isOpen);
});

test.run();
