import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Latecomers } from '../../../sidecar/upstream/latecomers.ts';

const test = suite('sidecar/upstream/latecomers');

test('tells a node that is late by itself, however often it is, from several that are at once', () => {
  let now = 0;
  const latecomers = new Latecomers(() => now);
  const late = (ms: number, node: string) => {
    now = ms;
    return latecomers.isAlone(node);
  };
  assert.ok(late(0, 'one'));
  assert.ok(late(10, 'one'));
  assert.not(late(20, 'two'));
  assert.not(late(900, 'one'));
  // Each counts from when it was late last.
  assert.not(late(1_800, 'three'));
  assert.ok(late(2_800, 'one'));
  assert.not(late(3_700, 'three'));
});

test.run();
