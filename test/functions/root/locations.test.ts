import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Located } from '../../../functions/blob/store.ts';
import { Locations } from '../../../functions/root/locations.ts';

const test = suite('functions/root/locations');

const PLACE: Located = { url: 'http://s3/a', untilMs: Date.now() + 900_000, length: 4, sha256: 'aa' };

/** A store that answers when it is told to. */
function asked() {
  const clock = { nowMs: 0 };
  const answers: ((located: Located | undefined) => void)[] = [];
  const failures: ((error: Error) => void)[] = [];
  const locations = new Locations(
    () =>
      new Promise((resolve, reject) => {
        answers.push(resolve);
        failures.push(reject);
      }),
    () => clock.nowMs,
  );
  return { clock, answers, failures, locations };
}

test('asks once for all who want to know it meanwhile, and for a minute after', async () => {
  const { clock, answers, locations } = asked();
  const both = [locations.find('a'), locations.find('a')];
  assert.is(answers.length, 1);
  answers[0]?.(PLACE);
  assert.equal(await Promise.all(both), [PLACE, PLACE]);
  clock.nowMs = 59_999;
  assert.equal(await locations.find('a'), PLACE);
  assert.is(answers.length, 1);
  clock.nowMs = 60_000;
  void locations.find('a');
  assert.is(answers.length, 2);
});

test('believes for a second that there is none', async () => {
  const { clock, answers, locations } = asked();
  const first = locations.find('a');
  answers[0]?.(undefined);
  assert.is(await first, undefined);
  clock.nowMs = 999;
  assert.is(await locations.find('a'), undefined);
  assert.is(answers.length, 1);
  clock.nowMs = 1_000;
  const second = locations.find('a');
  answers[1]?.(PLACE);
  assert.equal(await second, PLACE);
});

test('asks anew where a URL is nearly over', async () => {
  const { answers, locations } = asked();
  const first = locations.find('a');
  answers[0]?.({ ...PLACE, untilMs: Date.now() + 59_000 });
  await first;
  void locations.find('a');
  assert.is(answers.length, 2);
});

test('keeps no failure, and asks for each object by itself', async () => {
  const { answers, failures, locations } = asked();
  const failing = locations.find('a');
  const other = locations.find('b');
  failures[0]?.(new Error('S3 is gone'));
  await failing.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'S3 is gone'),
  );
  void locations.find('a');
  assert.is(answers.length, 3);
  answers[1]?.(PLACE);
  assert.equal(await other, PLACE);
});

test('asks anew for what was put or removed, also while it was being asked for', async () => {
  const { answers, locations } = asked();
  const before = locations.find('k/1');
  locations.forgetBelow('k/');
  answers[0]?.(undefined);
  assert.is(await before, undefined);
  const after = locations.find('k/1');
  assert.is(answers.length, 2);
  answers[1]?.(PLACE);
  assert.equal(await after, PLACE);
  locations.forget('k/1');
  void locations.find('k/1');
  assert.is(answers.length, 3);
  locations.forgetBelow('other/');
  void locations.find('k/1');
  assert.is(answers.length, 3);
});

test.run();
