import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { growth, lows } from './slope.ts';

const test = suite('lab/soak/slope');

const at = (values: readonly number[]) => values.map((value, index) => ({ seconds: 10 * index, value }));

test('tells growth from what comes and goes', () => {
  assert.ok(Math.abs(growth(at([100, 110, 120, 130])) - 30 / 115) < 1e-9);
  assert.is(growth(at([100, 100, 100])), 0);
  assert.ok(Math.abs(growth(at([100, 140, 100, 140, 100, 140, 100]))) < 0.01);
  assert.ok(growth(at([130, 120, 110, 100])) < 0);
});

test('sees none in one look, or in none', () => {
  assert.is(growth(at([7])), 0);
  assert.is(growth([]), 0);
});

test('has the least of each few points, and none of those that are left over', () => {
  assert.equal(
    lows(at([3, 1, 2, 5, 9, 7, 4]), 3).map(({ value }) => value),
    [1, 5],
  );
  assert.ok(Math.abs(growth(lows(at([10, 30, 20, 10, 25, 40, 35, 10]), 4))) < 0.01);
  assert.ok(growth(lows(at([10, 30, 20, 10, 25, 40, 35, 20]), 4)) > 0.2);
});

test.run();
