import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Member } from '../../../sidecar/members/member.ts';
import { Owners } from '../../../sidecar/upstream/owner.ts';
import { memberOf, membersOf } from '../../support/members.ts';
import { seeded } from '../../support/seeded.ts';

const test = suite('sidecar/upstream/owner');

const KEY = `sha256:${'ab'.repeat(32)}`;

/** How many of the first chunks of a blob each member owns. */
function owned(members: readonly Member[], chunks: number): Map<string, number> {
  const owners = new Owners(members);
  const counts = new Map(members.map(({ id }) => [id, 0]));
  for (let index = 0; index < chunks; index += 1) {
    const [owner] = owners.ranked(KEY, index, 1);
    counts.set(owner?.id ?? '', (counts.get(owner?.id ?? '') ?? 0) + 1);
  }
  return counts;
}

test('ranks alike wherever the same members are known, in whatever order', () => {
  const members = membersOf(50);
  const random = seeded('order');
  const shuffled = [...members].sort(() => random() - 0.5);
  const here = new Owners(members);
  const there = new Owners(shuffled);
  for (let index = 0; index < 500; index += 1) {
    assert.equal(here.ranked(KEY, index, 5), there.ranked(KEY, index, 5));
  }
});

test('is the same order in every version: it is part of the protocol', () => {
  const owners = new Owners(membersOf(5));
  const order = [0, 1, 2].map((index) =>
    owners
      .ranked(KEY, index, 5)
      .map(({ id }) => id.slice(3))
      .join(''),
  );
  assert.equal(order, ['24310', '42310', '30241']);
});

test('gives each member as many chunks as any other, within chance', () => {
  const counts = [...owned(membersOf(16), 16_000).values()];
  // Five standard deviations of a binomial of a mean of 1,000.
  for (const count of counts) assert.ok(Math.abs(count - 1_000) < 155, String(count));
});

test('gives each member chunks by its weight', () => {
  const members = [memberOf('half', { weight: 0.5 }), memberOf('one'), memberOf('two', { weight: 2 })];
  const counts = owned(members, 14_000);
  for (const { id, weight } of members) {
    const share = 4_000 * weight;
    assert.ok(Math.abs((counts.get(id) ?? 0) - share) < 0.08 * share, `${id}: ${counts.get(id)}`);
  }
});

test('spreads the places of whoever stands in for a lost owner over all others', () => {
  const owners = new Owners(membersOf(10));
  const seconds = new Map<string, number>();
  for (let index = 0; index < 20_000; index += 1) {
    const [first, second] = owners.ranked(KEY, index, 2);
    if (first?.id === 'id-0') seconds.set(second?.id ?? '', (seconds.get(second?.id ?? '') ?? 0) + 1);
  }
  assert.is(seconds.size, 9);
  for (const count of seconds.values()) assert.ok(count > 150 && count < 300, String(count));
});

test('moves no chunk between two members when a third leaves, whatever the weights', () => {
  const random = seeded('leave');
  const members = membersOf(30).map((member) => ({ ...member, weight: 0.25 + random() }));
  const gone = members[7] as Member;
  const before = new Owners(members);
  const after = new Owners(members.filter((member) => member !== gone));
  for (let index = 0; index < 1_000; index += 1) {
    const stayed = before.ranked(KEY, index, 30).filter((member) => member !== gone);
    assert.equal(after.ranked(KEY, index, 29), stayed);
  }
});

test('keeps the order of members of equal weight when one of another weight joins', () => {
  const members = membersOf(10);
  const before = new Owners(members);
  const after = new Owners([...members, memberOf('big', { weight: 3 })]);
  for (let index = 0; index < 500; index += 1) {
    const others = after.ranked(KEY, index, 11).filter(({ weight }) => weight === 1);
    assert.equal(others, before.ranked(KEY, index, 10));
  }
});

test('ranks no more than there are, and nobody where nobody is', () => {
  assert.is(new Owners(membersOf(2)).ranked(KEY, 0, 4).length, 2);
  assert.equal(new Owners([]).ranked(KEY, 0, 4), []);
});

test.run();
