import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { aheadOf } from '../../../functions/blob/look-ahead.ts';

const test = suite('functions/blob/look-ahead');

test('goes on in order where no other node reads the same', () => {
  assert.equal([...aheadOf(3, 8, {})], [4, 5, 6, 7, 8]);
});

test('fetches what comes next first, and each of the others once, in whatever order a node has them', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    for (const to of [3, 4, 5, 12, 24]) {
      const order = [...aheadOf(3, to, { seed })];
      assert.equal(order.slice(0, 8), [4, 5, 6, 7, 8, 9, 10, 11].slice(0, to - 3));
      assert.equal(
        order.toSorted((a, b) => a - b),
        Array.from({ length: to - 3 }, (_, at) => at + 4),
      );
    }
  }
});

test('has only the next two the same on all nodes where there are many', () => {
  const thirds = (nodes: number) =>
    new Set(Array.from({ length: 50 }, (_, seed) => aheadOf(3, 24, { seed, nodes: () => nodes })[2]));
  assert.equal(thirds(255), new Set([6]));
  assert.ok(thirds(256).size > 10);
  for (let seed = 0; seed < 50; seed += 1)
    assert.equal(aheadOf(3, 24, { seed, nodes: () => 256 }).slice(0, 2), [4, 5]);
});

test('keeps the order of two chunks as the reader gets on', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const before = aheadOf(0, 24, { seed }).filter((index) => index > 10);
    const after = aheadOf(2, 26, { seed }).filter((index) => index > 10 && index <= 24);
    assert.equal(after, before);
  }
});

test('has about as many nodes begin with each of the chunks that are further ahead', () => {
  const firsts = Array.from({ length: 1400 }, (_, seed) => aheadOf(0, 22, { seed })[8]);
  for (let index = 9; index <= 22; index += 1) {
    const begin = firsts.filter((first) => first === index).length;
    assert.ok(begin >= 70 && begin <= 130, `${begin} begin with ${index}`);
  }
});

test.run();
