import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatSize, parseSize } from '../../../../functions/service/config/size.ts';

const test = suite('functions/service/size');

test('reads bytes, powers of 1024 and powers of 1000', () => {
  const read: [string | number, number][] = [
    [0, 0],
    [4_294_967_296, 4_294_967_296],
    ['17', 17],
    ['64k', 65_536],
    ['64KiB', 65_536],
    ['512 MiB', 536_870_912],
    ['1.5GiB', 1_610_612_736],
    ['4gib', 4_294_967_296],
    ['1GB', 1_000_000_000],
    ['2 TB', 2_000_000_000_000],
    ['10B', 10],
  ];
  for (const [text, bytes] of read) assert.is(parseSize(text), bytes, String(text));
});

test('refuses what is no whole number of bytes', () => {
  for (const text of ['', 'GiB', '4GiBi', '-1', '0.3', '1e3', '4 i', '99999999TiB', 'NaN']) {
    assert.is(parseSize(text), undefined, text);
  }
});

test('writes what it reads back', () => {
  for (const bytes of [0, 1, 1023, 1024, 65_536, 4_194_304, 4_294_967_296, 1_000_000_000]) {
    assert.is(parseSize(formatSize(bytes)), bytes);
  }
  assert.is(formatSize(4_194_304), '4MiB');
});

test.run();
