import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Words } from '../../../sidecar/upstream/words.ts';

const test = suite('sidecar/upstream/words');

test('gives each word once, the fresh apart from the stale', () => {
  const words = new Words();
  assert.is(words.takeFresh() || words.takeStale(), false);
  words.came('fresh');
  words.came('fresh');
  assert.is(words.takeStale(), false);
  assert.is(words.takeFresh(), true);
  assert.is(words.takeFresh(), false);
  words.came('stale');
  assert.is(words.takeFresh(), false);
  assert.is(words.takeStale(), true);
  assert.is(words.takeStale(), false);
});

test.run();
