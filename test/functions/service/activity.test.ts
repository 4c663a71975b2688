import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Activity } from '../../../functions/service/activity.ts';

const test = suite('functions/service/activity');

test('is idle from the end of the last on, and has been for ever before the first', () => {
  let nowMs = 100;
  const activity = new Activity(() => nowMs);
  assert.is(activity.idleMs, Number.POSITIVE_INFINITY);
  activity.begin();
  activity.begin();
  nowMs = 200;
  activity.end();
  assert.is(activity.idleMs, 0);
  activity.end();
  assert.is(activity.idleMs, 0);
  nowMs = 250;
  assert.is(activity.idleMs, 50);
  activity.begin();
  assert.is(activity.idleMs, 0);
});

test.run();
