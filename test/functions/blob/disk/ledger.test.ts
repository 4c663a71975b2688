import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Ledger } from '../../../../functions/blob/disk/ledger.ts';
import { pickFrom, seeded } from '../../../support/seeded.ts';

const test = suite('functions/blob/disk/ledger');

const BLOCK = 4096;

test('counts files in whole blocks', () => {
  const ledger = new Ledger(10 * BLOCK);
  for (const [path, bytes] of [
    ['a', 1],
    ['b', BLOCK],
    ['c', BLOCK + 1],
  ] as const)
    ledger.enter(path, bytes, 0);
  assert.is(ledger.bytes, 4 * BLOCK);
  assert.is(ledger.count, 3);
});

test('evicts the least recently used, entered or used, and tells each once', () => {
  const ledger = new Ledger(3 * BLOCK);
  for (const path of ['a', 'b', 'c']) ledger.enter(path, 1, 0);
  ledger.use('a', 1);
  ledger.enter('d', 1, 2);
  assert.equal(ledger.takeEvicted(), ['b']);
  assert.equal(ledger.takeEvicted(), []);
  ledger.enter('e', 2 * BLOCK, 3);
  assert.equal(ledger.takeEvicted(), ['c', 'a']);
});

test('takes nothing that is larger than all its room, and evicts nothing for it', () => {
  const ledger = new Ledger(2 * BLOCK);
  ledger.enter('a', 1, 0);
  assert.is(ledger.enter('b', 3 * BLOCK, 0), false);
  assert.equal(ledger.takeEvicted(), []);
  assert.ok(ledger.has('a'));
  assert.not(ledger.has('b'));
});

test('counts a file anew that is written again', () => {
  const ledger = new Ledger(10 * BLOCK);
  ledger.enter('a', 5 * BLOCK, 0);
  ledger.enter('a', BLOCK, 0);
  assert.is(ledger.bytes, BLOCK);
  assert.equal(ledger.takeEvicted(), []);
});

test('forgets a file, and all below a folder but not beside it', () => {
  const ledger = new Ledger(10 * BLOCK);
  for (const path of ['k/1', 'k/2/3', 'kk/1', 'k']) ledger.enter(path, 1, 0);
  ledger.forget('k');
  ledger.forgetUnder('k');
  assert.equal(
    ['k', 'k/1', 'k/2/3', 'kk/1'].map((path) => ledger.has(path)),
    [false, false, false, true],
  );
  assert.equal(ledger.takeEvicted(), []);
});

test('frees as many bytes as are asked, from the least recently used on, or all there are', () => {
  const ledger = new Ledger(10 * BLOCK);
  for (const path of ['a', 'b', 'c', 'd']) ledger.enter(path, 1, 0);
  ledger.free(BLOCK + 1);
  assert.equal(ledger.takeEvicted(), ['a', 'b']);
  ledger.free(Number.MAX_SAFE_INTEGER);
  assert.equal(ledger.takeEvicted(), ['c', 'd']);
  assert.is(ledger.bytes, 0);
});

test('asks for the time on disk seldom: once in five minutes of use', () => {
  const ledger = new Ledger(10 * BLOCK);
  ledger.enter('a', 1, 0);
  const minutes = [1, 4, 5, 6, 9, 10, 11];
  assert.equal(
    minutes.filter((minute) => ledger.use('a', minute * 60_000)),
    [5, 10],
  );
  assert.is(ledger.use('unknown', 0), false);
});

test('puts what it finds on disk before what it has, oldest first, and evicts what is too much', () => {
  const ledger = new Ledger(4 * BLOCK);
  ledger.enter('live', 1, 0);
  ledger.enter('known', 1, 0);
  ledger.addOlder([
    { path: 'new', bytes: 1, usedMs: 30 },
    { path: 'old', bytes: 1, usedMs: 10 },
    { path: 'known', bytes: 1, usedMs: 5 },
    { path: 'middle', bytes: 1, usedMs: 20 },
  ]);
  assert.equal(ledger.takeEvicted(), ['old']);
  ledger.free(Number.MAX_SAFE_INTEGER);
  assert.equal(ledger.takeEvicted(), ['middle', 'new', 'live', 'known']);
});

test('holds what a naive list holds, whatever is done to it', () => {
  for (let seed = 0; seed < 30; seed += 1) {
    const random = seeded(`ledger ${seed}`);
    const maxBlocks = 8;
    const ledger = new Ledger(maxBlocks * BLOCK);
    /** Least recently used first. */
    let naive: { path: string; blocks: number }[] = [];
    const evicted: string[] = [];
    for (let step = 0; step < 200; step += 1) {
      const path = pickFrom(random, ['a', 'b', 'c', 'd', 'e', 'f', 'g']);
      const held = naive.find((file) => file.path === path);
      const others = naive.filter((file) => file.path !== path);
      const blocks = 1 + Math.floor(random() * 3);
      const what = random();
      if (what < 0.6) {
        ledger.enter(path, blocks * BLOCK, 0);
        naive = [...others, { path, blocks }];
        while (naive.reduce((sum, file) => sum + file.blocks, 0) > maxBlocks) {
          evicted.push((naive.shift() as { path: string }).path);
        }
      } else if (what < 0.8) {
        ledger.use(path, 0);
        if (held !== undefined) naive = [...others, held];
      } else {
        ledger.forget(path);
        naive = others;
      }
      assert.is(ledger.bytes, naive.reduce((sum, file) => sum + file.blocks, 0) * BLOCK);
      assert.is(ledger.count, naive.length);
    }
    assert.equal(ledger.takeEvicted(), evicted);
  }
});

test.run();
