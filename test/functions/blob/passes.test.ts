import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Passes } from '../../../functions/blob/passes.ts';
import { sha256 } from '../../support/blob-of.ts';
import { plainFacts } from '../../support/samples.ts';

const test = suite('functions/blob/passes');

const facts = (part = {}) => ({
  ...plainFacts(),
  digest: `sha256:${sha256(Buffer.from('a'))}` as const,
  size: 100,
  chunkBytes: 64,
  ...part,
});

test('has all who read a blob at once share one hashing of it, and the next begin anew', () => {
  const passes = new Passes();
  const pass = passes.join(facts());
  assert.ok(pass);
  assert.is(passes.join(facts()), pass);
  passes.leave(facts());
  assert.is(passes.join(facts()), pass);
  passes.leave(facts());
  passes.leave(facts());
  assert.is.not(passes.join(facts()), pass);
});

test('begins anew for a blob that was dropped, whoever is still on the old hashing', () => {
  const passes = new Passes();
  const pass = passes.join(facts());
  passes.drop(facts().key);
  assert.is.not(passes.join(facts()), pass);
});

test('hashes nothing whole that has no digest, is proven, or is one chunk', () => {
  const { digest: _, ...undigested } = facts();
  const passes = new Passes();
  assert.is(passes.join(undigested), undefined);
  assert.is(passes.join(facts({ sealed: ['a', 'b'] })), undefined);
  assert.is(passes.join(facts({ size: 64 })), undefined);
});

test.run();
