import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ExpiringMap } from '../../../functions/service/expiring-map.ts';

const test = suite('functions/service/expiring-map');

function mapOf(max: number) {
  const clock = { nowMs: 0 };
  return { clock, map: new ExpiringMap<number>({ max, ttlMs: 100, now: () => clock.nowMs }) };
}

test('keeps what was set for its time, counted from when it was set last', () => {
  const { map, clock } = mapOf(10);
  map.set('a', 1);
  map.set('b', 2);
  clock.nowMs = 60;
  map.set('a', 3);
  clock.nowMs = 100;
  assert.equal([map.get('a'), map.get('b'), map.size, [...map.values()]], [3, undefined, 1, [3]]);
  clock.nowMs = 160;
  assert.is(map.get('a'), undefined);
});

test('drops what was set first when there is too much', () => {
  const { map } = mapOf(2);
  map.set('a', 1);
  map.set('b', 2);
  map.set('a', 3);
  map.set('c', 4);
  assert.equal([map.get('a'), map.get('b'), map.get('c')], [3, undefined, 4]);
});

test.run();
