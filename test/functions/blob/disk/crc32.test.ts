import { randomBytes } from 'node:crypto';
import { crc32 as zlibCrc32 } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from '../../../../functions/blob/disk/crc32.ts';

const test = suite('functions/blob/disk/crc32');

test('is the sum that zlib gives, of any bytes anywhere in memory', () => {
  const memory = randomBytes(70_000);
  for (const [from, to] of [
    [0, 0],
    [0, 1],
    [1, 16],
    [3, 1000],
    [5, 65_541],
    [0, 70_000],
  ] as const) {
    const view = new Uint8Array(memory.buffer, memory.byteOffset + from, to - from);
    assert.is(crc32(view), zlibCrc32(view), `${from} to ${to}`);
  }
  assert.is(crc32(Buffer.from('123456789')), 0xcbf43926);
});

test.run();
