import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Inventory } from '../../../../functions/root/sweep/inventory.ts';
import { planSweep, type SweepPolicy } from '../../../../functions/root/sweep/plan.ts';
import { seeded } from '../../../support/seeded.ts';

const test = suite('functions/root/sweep/plan');

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const KEEP_ALL: SweepPolicy = { maxBytes: 0, maxAgeMs: 0, minIdleMs: 2 * HOUR };

const blob = (folder: string, bytes: number, idleMs: number) => ({ folder, bytes, idleMs });
const facts = (folder: string, of: string, ageMs: number) => ({
  folder,
  of,
  ageMs,
  bytes: 10,
  source: undefined,
  digest: undefined,
});

const inventory = (part: Partial<Inventory>): Inventory => ({ blobs: [], facts: [], rights: [], ...part });

const taken = (kept: Inventory, policy: Partial<SweepPolicy>) =>
  planSweep(kept, { ...KEEP_ALL, ...policy }).blobs.map(({ folder, reason }) => [folder, reason]);

test('takes nothing that something leads to while there is no limit', () => {
  const kept = inventory({ blobs: [blob('a', 1000, 400 * DAY)], facts: [facts('fa', 'a', 400 * DAY)] });
  assert.equal(taken(kept, {}), []);
});

test('takes what nothing leads to, once it has been left alone for as long as a fill may take', () => {
  const kept = inventory({ blobs: [blob('old', 1, 2 * HOUR), blob('young', 1, 2 * HOUR - 1)] });
  assert.equal(taken(kept, {}), [['old', 'orphaned']]);
});

test('takes what nobody wanted for so long, to the millisecond', () => {
  const kept = inventory({
    blobs: [blob('a', 1, 30 * DAY), blob('b', 1, 30 * DAY - 1)],
    facts: [facts('fa', 'a', DAY), facts('fb', 'b', DAY)],
  });
  assert.equal(taken(kept, { maxAgeMs: 30 * DAY }), [['a', 'aged']]);
  assert.equal(taken(kept, { maxAgeMs: HOUR }), [
    ['a', 'aged'],
    ['b', 'aged'],
  ]);
});

test('takes those wanted longest ago until the rest fits, and not one more', () => {
  const kept = inventory({
    blobs: [blob('new', 500, 3 * HOUR), blob('old', 100, 9 * HOUR), blob('older', 100, 10 * HOUR)],
    facts: ['new', 'old', 'older'].map((of) => facts(`f-${of}`, of, DAY)),
  });
  // 700 of chunks, 30 of facts.
  assert.equal(taken(kept, { maxBytes: 730 }), []);
  assert.equal(taken(kept, { maxBytes: 729 }), [['older', 'over quota']]);
  assert.equal(taken(kept, { maxBytes: 620 }), [['older', 'over quota']]);
  assert.equal(taken(kept, { maxBytes: 619 }), [
    ['older', 'over quota'],
    ['old', 'over quota'],
  ]);
});

test('counts what goes in any case before it takes anything for the quota', () => {
  const kept = inventory({
    blobs: [blob('orphan', 500, 3 * HOUR), blob('wanted', 500, 9 * HOUR)],
    facts: [facts('f', 'wanted', DAY)],
  });
  assert.equal(taken(kept, { maxBytes: 510 }), [['orphan', 'orphaned']]);
});

test('leaves what was used of late, however much too much it is, and says by how much', () => {
  const kept = inventory({
    blobs: [blob('hot', 900, 0), blob('warm', 900, 2 * HOUR - 1)],
    facts: [facts('fh', 'hot', 0), facts('fw', 'warm', 0)],
  });
  const plan = planSweep(kept, { ...KEEP_ALL, maxBytes: 1000, maxAgeMs: 1 });
  assert.equal(plan.blobs, []);
  assert.is(plan.overBytes, 820);
});

test('takes records that stand for nothing: unreadable, or without a chunk or a use for a month', () => {
  const kept = inventory({
    blobs: [blob('b', 1, DAY)],
    facts: [
      facts('f', 'b', 90 * DAY),
      facts('torn', '', 2 * HOUR),
      facts('just torn', '', HOUR),
      facts('empty', 'gone', 30 * DAY),
      facts('young', 'gone', 29 * DAY),
    ],
    rights: [
      { folder: 'r', bytes: 1, ageMs: 30 * DAY },
      { folder: 'renewed', bytes: 1, ageMs: DAY },
    ],
  });
  const { records } = planSweep(kept, KEEP_ALL);
  assert.equal(
    records.map(({ folder }) => folder),
    ['torn', 'empty', 'r'],
  );
});

test('for any inventory: what stays fits unless it is in use, and nothing was taken that fitted', () => {
  const random = seeded('sweep plans');
  for (let round = 0; round < 300; round += 1) {
    const blobs = Array.from({ length: Math.floor(random() * 20) }, (_, n) =>
      blob(`b${n}`, 1 + Math.floor(random() * 1000), Math.floor(random() * 10 * HOUR)),
    );
    const kept = inventory({ blobs, facts: blobs.map(({ folder }) => facts(`f${folder}`, folder, 0)) });
    const policy = { ...KEEP_ALL, maxBytes: 1 + Math.floor(random() * 8000) };
    const { blobs: gone, overBytes } = planSweep(kept, policy);
    const names = new Set(gone.map(({ folder }) => folder));
    const stays = blobs.filter(({ folder }) => !names.has(folder));
    const bytes = (some: readonly { bytes: number }[]) => some.reduce((sum, one) => sum + one.bytes + 10, 0);
    assert.is(overBytes, Math.max(0, bytes(stays) - policy.maxBytes));
    if (overBytes > 0) assert.ok(stays.every(({ idleMs }) => idleMs < policy.minIdleMs));
    for (const { idleMs } of gone) assert.ok(idleMs >= policy.minIdleMs);
    const last = gone.at(-1);
    if (last !== undefined) assert.ok(bytes(stays) + last.bytes + 10 > policy.maxBytes, 'one too many');
    for (const stay of stays)
      assert.ok(
        gone.every(({ idleMs }) => idleMs >= stay.idleMs),
        'not the oldest',
      );
  }
});

test.run();
