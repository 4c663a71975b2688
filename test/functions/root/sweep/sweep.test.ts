import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chunkPath, doomedPath, factsPath, keyPath } from '../../../../functions/blob/path.ts';
import { COOL_DOWN_MS, DOOMED_MS, protectedMs } from '../../../../functions/root/recency.ts';
import type { SweepPolicy } from '../../../../functions/root/sweep/plan.ts';
import { type Retired, retire } from '../../../../functions/root/sweep/retire.ts';
import { lastReport, STATE_PATH } from '../../../../functions/root/sweep/state.ts';
import { onlyPage } from '../../../../functions/root/sweep/survey.ts';
import { type SweepOrder, type SweepParts, sweep } from '../../../../functions/root/sweep/sweep.ts';
import { get } from '../../../support/client.ts';
import {
  CHUNK_BYTES,
  type KeptStore,
  keepBlob,
  keptPlaces,
  lettersLeft,
  openKeptFolder,
} from '../../../support/kept-store.ts';
import { need } from '../../../support/programs.ts';
import { chunkOf } from '../../../support/samples.ts';
import { until } from '../../../support/until.ts';

const NAME = 'functions/root/sweep/sweep';
const test = suite(NAME);
const real = need(test, NAME, 'minio');
const { places, openBucket } = keptPlaces(test, real);

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const PLAN_LIFE_MS = 15 * 60_000;
const POLICY: SweepPolicy = { maxBytes: 0, maxAgeMs: 30 * DAY, minIdleMs: 2 * HOUR };
const ORDER: SweepOrder = { isDry: false, rehash: false, hasTime: () => true };

const partsOf = (kept: KeptStore, policy: Partial<SweepPolicy> = {}): SweepParts => ({
  shelf: kept.shelf,
  store: kept.bare,
  verify: (id) => kept.bare.read(id),
  records: kept.records,
  policy: { ...POLICY, ...policy },
  now: kept.now,
});

const run = (kept: KeptStore, policy: Partial<SweepPolicy> = {}, order: Partial<SweepOrder> = {}) =>
  sweep(partsOf(kept, policy), { ...ORDER, ...order });

for (const [where, each, open] of places) {
  each(`${where}: removes what aged, with its facts, and keeps what was read since`, async () => {
    await using kept = await open();
    const [old, read] = [await keepBlob(kept.store, 'aa'), await keepBlob(kept.store, 'bb')];
    kept.advance(29 * DAY);
    assert.ok(await kept.another().read({ key: read.key, chunkBytes: CHUNK_BYTES, index: 0 }));
    kept.advance(DAY);
    const report = await run(kept);
    assert.is(report.isDone, true);
    assert.is(report.removed.aged.blobs, 1);
    assert.ok(report.removed.aged.bytes > 2 * CHUNK_BYTES);
    assert.equal(await lettersLeft(kept), ['bb']);
    assert.is(await kept.bare.readFacts(old.addressKey), undefined);
    assert.ok(await kept.bare.readFacts(read.addressKey));
    assert.equal(await lastReport(kept.records), report);
  });

  each(`${where}: a dry run tells what would go, and changes nothing`, async () => {
    await using kept = await open();
    await keepBlob(kept.store, 'aa', { source: 'https://r.test/v2/old' });
    await keepBlob(kept.store, 'bb', { hasFacts: false });
    await kept.shelf.mark('lease/aa/left');
    kept.advance(31 * DAY);
    await keepBlob(kept.store, 'cc');
    const before = [await kept.names(), await kept.names('lease/'), await kept.names('sweep/')];
    const report = await run(kept, {}, { isDry: true });
    assert.equal([await kept.names(), await kept.names('lease/'), await kept.names('sweep/')], before);
    const told = report.doomed?.map(({ folder, source, reason }) => [folder.slice(3, 5), source, reason]);
    assert.equal(told?.sort(), [
      ['aa', 'https://r.test/v2/old', 'aged'],
      ['bb', undefined, 'orphaned'],
    ]);
    assert.is(report.leftovers, 1);
    const real = await run(kept);
    assert.equal(real.removed, report.removed);
    assert.is(real.leftovers, 1);
    assert.equal(await lettersLeft(kept), ['cc']);
    assert.equal(await kept.names('lease/'), []);
  });

  each(
    `${where}: one that is stopped for time, over and over, ends where one without a stop does`,
    async () => {
      await using kept = await open();
      for (let n = 0; n < 20; n += 1)
        await keepBlob(kept.store, `${n.toString(16).padStart(2, '0')}`, { chunks: 1, isSealed: n >= 17 });
      kept.advance(31 * DAY);
      for (let n = 17; n < 20; n += 1)
        await kept
          .another()
          .read({ key: n.toString(16).padStart(2, '0').repeat(32), chunkBytes: CHUNK_BYTES, index: 0 });
      let runs = 0;
      for (let isDone = false; !isDone; runs += 1) {
        let steps = 2;
        const hasTime = () => {
          steps -= 1;
          return steps >= 0;
        };
        const report = await run(kept, {}, { hasTime, rehash: true });
        isDone = report.isDone;
        assert.ok(runs < 50, 'it never ends');
        if (!isDone) continue;
        assert.is(report.removed.aged.blobs, 17);
        assert.is(report.found.blobs, 20);
        assert.equal(report.checked, { chunks: 3, corrupt: 0 });
      }
      assert.ok(runs > 3, `${runs} runs`);
      assert.is((await lettersLeft(kept)).length, 3);
    },
  );

  each(`${where}: one that dies half-way leaves nothing wrong, and the next does the rest`, async () => {
    await using kept = await open();
    for (const letters of ['aa', 'bb', 'cc']) await keepBlob(kept.store, letters);
    const young = await keepBlob(kept.store, 'dd');
    kept.advance(31 * DAY);
    await kept.another().read({ key: young.key, chunkBytes: CHUNK_BYTES, index: 0 });
    let removals = 0;
    const shelf = {
      ...kept.shelf,
      pages: kept.shelf.pages,
      async remove(names: readonly string[]) {
        removals += 1;
        if (removals > 1) throw new Error('killed');
        await kept.shelf.remove(names.slice(0, 1));
        throw new Error('killed');
      },
    };
    await sweep({ ...partsOf(kept), shelf }, ORDER).then(
      () => assert.unreachable('it was to die'),
      (error: Error) => assert.is(error.message, 'killed'),
    );
    await until('the rest to be gone', async () => {
      // Enough for what the dead one has doomed to count no more; what it had begun beside may have done so just now.
      kept.advance(HOUR);
      await run(kept);
      return (await lettersLeft(kept)).length === 1;
    });
    assert.equal(await lettersLeft(kept), ['dd']);
    const left = (await kept.names()).filter((name) => !name.startsWith('v1/dd/'));
    assert.equal(left, []);
  });
}

test('keeps to the quota, last used first to stay', async () => {
  await using kept = await openKeptFolder();
  for (const letters of ['aa', 'bb', 'cc', 'dd']) {
    await keepBlob(kept.store, letters);
    kept.advance(3 * HOUR);
  }
  await kept.another().read({ key: 'aa'.repeat(32), chunkBytes: CHUNK_BYTES, index: 1 });
  kept.advance(3 * HOUR);
  const report = await run(kept, { maxBytes: 5 * CHUNK_BYTES });
  assert.equal(await lettersLeft(kept), ['aa', 'dd']);
  assert.is(report.removed['over quota'].blobs, 2);
  assert.is(report.overBytes, 0);
  // And again there is nothing to do.
  const again = await run(kept, { maxBytes: 5 * CHUNK_BYTES });
  assert.is(again.removed['over quota'].blobs, 0);
  assert.ok(again.found.bytes <= 5 * CHUNK_BYTES);
});

test('removes chunks of an old version and of nothing, and leaves a fill in progress', async () => {
  await using kept = await openKeptFolder();
  const { addressKey } = await keepBlob(kept.store, 'aa');
  await keepBlob(kept.store, 'bb', { hasFacts: false });
  const next = await keepBlob(kept.store, 'cc', { hasFacts: false });
  await kept.store.writeFacts(addressKey, { ...next });
  kept.advance(2 * HOUR);
  // A fill whose facts are not written yet.
  await kept.store.write({ key: 'dd'.repeat(32), chunkBytes: CHUNK_BYTES, index: 5 }, chunkOf(10, 'fill'));
  const report = await run(kept);
  assert.equal(await lettersLeft(kept), ['cc', 'dd']);
  assert.is(report.removed.orphaned.blobs, 2);
});

test('hashes sealed blobs again when told to, and removes the chunk that rotted', async () => {
  await using kept = await openKeptFolder();
  const facts = await keepBlob(kept.store, 'aa', { chunks: 3, isSealed: true });
  await keepBlob(kept.store, 'bb');
  // Whole, but not the bytes that were proven.
  const bad = { key: facts.key, chunkBytes: CHUNK_BYTES, index: 1 };
  await kept.bare.write(bad, chunkOf(CHUNK_BYTES, 'rot'));
  assert.equal((await run(kept)).checked, { chunks: 0, corrupt: 0 });
  const report = await run(kept, {}, { rehash: true });
  assert.equal(report.checked, { chunks: 3, corrupt: 1 });
  assert.is((await kept.names()).includes(chunkPath(bad)), false);
  assert.is((await kept.names(`${keyPath(facts.key)}/`)).filter((name) => /\/[02]$/.test(name)).length, 2);
});

test('costs a blob that is read all day a mark an hour at most', async () => {
  await using kept = await openKeptFolder();
  const { key } = await keepBlob(kept.store, 'aa');
  let marks = 0;
  const { mark } = kept.shelf;
  kept.shelf.mark = async (name) => {
    marks += 1;
    await mark(name);
  };
  const processes = [kept.store, kept.another(), kept.another()];
  for (let minute = 0; minute < 24 * 60; minute += 20) {
    for (const process of processes) await process.read({ key, chunkBytes: CHUNK_BYTES, index: 0 });
    kept.advance(20 * 60_000);
  }
  assert.is(marks, 24);
});

real('never removes a chunk that was handed out while its URL lives, whenever it was marked', async () => {
  await using kept = await openBucket();
  assert.is(kept.shelf.lentMs, PLAN_LIFE_MS);
  const facts = await keepBlob(kept.store, 'aa');
  const id = { key: facts.key, chunkBytes: CHUNK_BYTES, index: 0 };
  const root = kept.another();
  const policy = { maxBytes: 1, maxAgeMs: 1, minIdleMs: protectedMs(kept.shelf) };
  // The mark is put now; the last URL is handed out by the same process just before it would look again.
  assert.ok(await root.locate?.(id));
  kept.advance(COOL_DOWN_MS - 1);
  const located = await root.locate?.(id);
  kept.advance(PLAN_LIFE_MS);
  const early = await run(kept, policy);
  assert.is(early.removed.aged.blobs + early.removed['over quota'].blobs, 0);
  assert.ok(early.overBytes > 0);
  assert.is((await get(located?.url ?? '')).status, 200);
  kept.advance(2 * 60_000);
  assert.is((await run(kept, policy)).removed.aged.blobs, 1);
  assert.is((await get(located?.url ?? '')).status, 404);
  assert.is(await kept.bare.readFacts(facts.addressKey), undefined);
});

real('of two who remove a blob at once one does, and what says so stays until it has', async () => {
  await using kept = await openBucket();
  const facts = await keepBlob(kept.store, 'aa');
  const folder = keyPath(facts.key);
  kept.advance(31 * DAY);
  let second: Retired | undefined;
  const shelf = {
    ...kept.shelf,
    async remove(names: readonly string[]) {
      if (second === undefined) {
        second = await retire(kept.shelf, folder, 0, kept.now);
        assert.ok((await kept.names()).includes(doomedPath(folder)));
      }
      await kept.shelf.remove(names);
    },
  };
  assert.ok((await retire(shelf, folder, 0, kept.now)).isGone);
  assert.equal([second?.isGone, second?.objects], [false, 0]);
  assert.equal(
    (await kept.names()).filter((name) => name.startsWith(folder)),
    [],
  );
});

real('what a crash has left doomed is removed by the next one, once', async () => {
  await using kept = await openBucket();
  const facts = await keepBlob(kept.store, 'aa');
  const folder = keyPath(facts.key);
  kept.advance(31 * DAY);
  assert.ok(await kept.shelf.claim(doomedPath(folder), DOOMED_MS));
  assert.not((await retire(kept.shelf, folder, 0, kept.now)).isGone);
  kept.advance(DOOMED_MS);
  assert.ok((await retire(kept.shelf, folder, 0, kept.now)).isGone);
});

real('a chunk is handed out or removed, not both, whichever of the two comes first by a step', async () => {
  const outcomes = new Set<string>();
  // Each step of the sweep, at which somebody asks where the chunk is.
  for (const step of ['claim', 'pages', 'remove'] as const) {
    for (const when of ['before', 'after'] as const) {
      await using kept = await openBucket();
      const facts = await keepBlob(kept.store, 'aa');
      const id = { key: facts.key, chunkBytes: CHUNK_BYTES, index: 0 };
      kept.advance(31 * DAY);
      const root = kept.another();
      let handedOut: boolean | undefined;
      const ask = async () => {
        if (handedOut !== undefined) return;
        handedOut = (await root.locate?.(id).catch(() => undefined)) !== undefined;
      };
      const isRetiring = (name: string) => name.startsWith(keyPath(facts.key));
      const shelf = {
        ...kept.shelf,
        async claim(name: string, staleMs: number) {
          if (step === 'claim' && when === 'before') await ask();
          const isMine = await kept.shelf.claim(name, staleMs);
          if (step === 'claim' && when === 'after') await ask();
          return isMine;
        },
        async *pages(folder: string) {
          const mine = step === 'pages' && isRetiring(folder);
          if (mine && when === 'before') await ask();
          yield* kept.shelf.pages(folder);
          if (mine && when === 'after') await ask();
        },
        async remove(names: readonly string[]) {
          const mine = step === 'remove' && names.includes(chunkPath(id));
          if (mine && when === 'before') await ask();
          await kept.shelf.remove(names);
          if (mine && when === 'after') await ask();
        },
      };
      await sweep({ ...partsOf(kept), shelf }, ORDER);
      const isThere = (await kept.names()).includes(chunkPath(id));
      if (handedOut) assert.ok(isThere, `${when} ${step}: handed out, and removed`);
      outcomes.add(`handed out: ${handedOut}, there: ${isThere}`);
    }
  }
  assert.ok(outcomes.has('handed out: true, there: true'));
  assert.ok(outcomes.has('handed out: false, there: false'));
});

real('removes a blob of more objects than a page has', async () => {
  await using kept = await openBucket();
  const key = 'aa'.repeat(32);
  const names = Array.from({ length: 1_050 }, (_, index) => chunkPath({ key, chunkBytes: 1, index }));
  for (let at = 0; at < names.length; at += 100)
    await Promise.all(names.slice(at, at + 100).map((name) => kept.shelf.mark(name)));
  assert.is(await onlyPage(kept.shelf), undefined);
  const { isGone, objects } = await retire(kept.shelf, keyPath(key), 0, kept.now);
  assert.equal([isGone, objects], [true, 1_050]);
  assert.equal(await kept.names(), []);
});

real('begins anew where the last one left more than can be read', async () => {
  await using kept = await openBucket();
  await kept.records.put(STATE_PATH, { savedAtMs: kept.now(), state: 'x'.repeat(17 * 1024 * 1024) });
  await keepBlob(kept.store, 'aa');
  const { isDone, found } = await run(kept);
  assert.equal([isDone, found.blobs], [true, 1]);
});

test('facts that cannot be read for the moment end the sweep: their blobs are not taken for unwanted', async () => {
  await using kept = await openKeptFolder();
  const { addressKey } = await keepBlob(kept.store, 'aa');
  kept.advance(DAY);
  const store = {
    readFacts: async () => {
      throw new Error('away');
    },
    remove: (key: string) => kept.bare.remove(key),
  };
  const failed = sweep({ ...partsOf(kept), store }, ORDER).then(
    () => 'done',
    (error: Error) => error.message,
  );
  assert.is(await failed, 'away');
  assert.equal(await lettersLeft(kept), ['aa']);
  assert.ok((await kept.names()).includes(factsPath(addressKey)));
});

test.run();
