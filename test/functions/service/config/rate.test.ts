import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatRate, parseRate } from '../../../../functions/service/config/rate.ts';

const test = suite('functions/service/rate');

test('reads bytes and bits a second', () => {
  const read: [string | number, number][] = [
    [0, 0],
    [50_000_000, 50_000_000],
    ['50MB/s', 50_000_000],
    ['2.3 MB/s', 2_300_000],
    ['64MiB/s', 67_108_864],
    ['200Mbit', 25_000_000],
    ['1Gbit/s', 125_000_000],
    ['800kbit/s', 100_000],
    ['12B/s', 12],
  ];
  for (const [text, perSecond] of read) assert.is(parseRate(text), perSecond, String(text));
});

test('refuses what could be bits or bytes, and what is no rate', () => {
  for (const text of ['', '50Mb/s', '50MB', '50M', '200mbps', '-1', 'iB/s', '4iB/s', '1e3', '99999TB/s']) {
    assert.is(parseRate(text), undefined, text);
  }
});

test('writes what it reads back', () => {
  for (const perSecond of [0, 1, 999, 1000, 100_000, 50_000_000, 67_108_864]) {
    assert.is(parseRate(formatRate(perSecond)), perSecond);
  }
  assert.is(formatRate(50_000_000), '50MB/s');
});

test.run();
