import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Health } from '../../../sidecar/upstream/health.ts';

const test = suite('sidecar/upstream/health');

function healthAt() {
  const clock = { nowMs: 1_000 };
  return { clock, health: new Health(() => clock.nowMs) };
}

test('takes a node out after three failures in a row, and no other', () => {
  const { health } = healthAt();
  for (let times = 0; times < 3; times += 1) {
    assert.ok(health.mayAsk('a'));
    health.failed('a');
  }
  assert.not(health.mayAsk('a'));
  assert.ok(health.mayAsk('b'));
});

test('lets one ask five seconds later, and all once that went well', () => {
  const { health, clock } = healthAt();
  for (let times = 0; times < 3; times += 1) health.failed('a');
  clock.nowMs += 5_000;
  assert.equal([health.mayAsk('a'), health.mayAsk('a')], [true, false]);
  health.succeeded('a');
  assert.equal([health.mayAsk('a'), health.mayAsk('a')], [true, true]);
});

test('avoids a node that sent wrong bytes at once, twice as long each time, up to ten minutes', () => {
  const { health, clock } = healthAt();
  for (const forMs of [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000]) {
    health.blamed('a');
    health.succeeded('a');
    clock.nowMs += forMs - 1;
    assert.not(health.mayAsk('a'), String(forMs));
    clock.nowMs += 1;
    assert.ok(health.mayAsk('a'), String(forMs));
  }
});

test('forgets after an hour without wrong bytes', () => {
  const { health, clock } = healthAt();
  for (let times = 0; times < 5; times += 1) health.blamed('a');
  clock.nowMs += 3_600_001;
  health.blamed('a');
  clock.nowMs += 10_000;
  assert.ok(health.mayAsk('a'));
});

test.run();
