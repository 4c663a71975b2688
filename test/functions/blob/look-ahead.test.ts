import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { aheadOf } from '../../../functions/blob/look-ahead.ts';

const test = suite('functions/blob/look-ahead');

test('goes on in order where no other node reads the same', () => {
  assert.equal([...aheadOf(3, 8, undefined)], [4, 5, 6, 7, 8]);
});

test('fetches what comes next first, and each of the others once, wherever a node begins', () => {
  for (let offset = 0; offset < 50; offset += 1) {
    for (const to of [3, 4, 5, 6, 19]) {
      const order = [...aheadOf(3, to, offset)];
      assert.equal(order.slice(0, 2), [4, 5].slice(0, to - 3));
      assert.equal(
        order.toSorted((a, b) => a - b),
        Array.from({ length: to - 3 }, (_, at) => at + 4),
      );
    }
  }
});

test('has as many nodes begin with each of the chunks that are further ahead', () => {
  const firsts = Array.from({ length: 140 }, (_, offset) => [...aheadOf(0, 16, offset)][2]);
  for (let index = 3; index <= 16; index += 1) {
    assert.is(firsts.filter((first) => first === index).length, 10, String(index));
  }
});

test.run();
