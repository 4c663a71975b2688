import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatDuration, parseDuration } from '../../../../functions/service/config/duration.ts';

const test = suite('functions/service/duration');

test('reads milliseconds and the units above', () => {
  const read: [string | number, number][] = [
    [1500, 1500],
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5 m', 90_000],
    ['2H', 7_200_000],
  ];
  for (const [text, ms] of read) assert.is(parseDuration(text), ms, String(text));
});

test('refuses what is no whole number of milliseconds', () => {
  for (const text of ['', 's', '-1s', '1w', '0.0001s', '10 s s'])
    assert.is(parseDuration(text), undefined, text);
});

test('writes what it reads back', () => {
  for (const ms of [0, 1, 999, 1000, 90_000]) assert.is(parseDuration(formatDuration(ms)), ms);
});

test.run();
