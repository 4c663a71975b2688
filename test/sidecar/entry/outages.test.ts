import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Outages } from '../../../sidecar/entry/outages.ts';

const test = suite('sidecar/entry/outages');

test('knows of an outage for five seconds, and of that origin alone', () => {
  let nowMs = 1_000;
  const outages = new Outages(() => nowMs);
  assert.not(outages.has('https://a.test'));
  outages.began('https://a.test');
  assert.ok(outages.has('https://a.test'));
  assert.not(outages.has('https://b.test'));
  nowMs += 4_999;
  assert.ok(outages.has('https://a.test'));
  nowMs += 1;
  assert.not(outages.has('https://a.test'));
});

test('takes the next answer for the end of it', () => {
  const outages = new Outages(() => 0);
  outages.began('https://a.test');
  outages.ended('https://a.test');
  assert.not(outages.has('https://a.test'));
});

test.run();
