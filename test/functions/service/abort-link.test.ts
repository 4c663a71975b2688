import { getEventListeners } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { linkTo } from '../../../functions/service/abort-link.ts';

const test = suite('functions/service/abort-link');

test('aborts along with the other, by its reason, until it is ended', () => {
  const other = new AbortController();
  const [linked, ended] = [linkTo(other.signal), linkTo(other.signal)];
  ended.end();
  other.abort('why');
  assert.is(linked.own.signal.reason, 'why');
  assert.not(ended.own.signal.aborted);
});

test('aborts at once along with one that has', () => {
  assert.is(linkTo(AbortSignal.abort('why')).own.signal.reason, 'why');
});

test('leaves nothing behind on the other', () => {
  const other = new AbortController();
  const link = linkTo(other.signal);
  link.own.abort();
  assert.not(other.signal.aborted);
  link.end();
  assert.is(getEventListeners(other.signal, 'abort').length, 0);
});

test.run();
