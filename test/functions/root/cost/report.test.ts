import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { costReport } from '../../../../functions/root/cost/report.ts';
import { dayOf, noUsage, USAGE_FOLDER, Usage } from '../../../../functions/root/cost/usage.ts';
import { emptyReport } from '../../../../functions/root/sweep/report.ts';
import { saveReport } from '../../../../functions/root/sweep/state.ts';
import { openKeptFolder } from '../../../support/kept-store.ts';

const test = suite('functions/root/cost/report');

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NOON = Date.UTC(2026, 10, 22, 12);

test('prices a GiB that was fetched and read as the price lists do', async () => {
  await using kept = await openKeptFolder();
  const swept = emptyReport(NOON, false);
  swept.found.bytes = 30 * 2 ** 30;
  await saveReport(kept.records, swept);
  const used = { ...noUsage(), s3Writes: 512, s3Reads: 256, lentChunks: 256, lentBytes: 2 ** 30 };
  await kept.records.put(`${USAGE_FOLDER}${dayOf(NOON)}/one.json`, { ...used, calls: 256, gbSeconds: 256 });
  const { days } = await costReport(kept, 1, NOON);
  const [{ dollars }] = days as [(typeof days)[number]];
  const close = (got: number, wanted: number) => assert.ok(Math.abs(got - wanted) < 1e-6, `${got}`);
  close(dollars.requests, 512 * 0.000005 + 512 * 0.0000004);
  close(dollars.functions, 256 * 0.0000135334);
  close(dollars.storage, 0.023);
  close(dollars.transferIfOutside, 0.09);
  close(dollars.total, dollars.requests + dollars.functions + dollars.storage);
});

test('adds up what several processes have told, each day by itself', async () => {
  await using kept = await openKeptFolder();
  let nowMs = NOON - DAY;
  const now = () => nowMs;
  const [one, two] = [new Usage(now), new Usage(now)];
  one.s3('write', 100);
  two.s3('read', 40);
  two.called(500, 2048);
  await Promise.all([one.flush(kept.records, true), two.flush(kept.records, true)]);
  // What was counted before the day was over is of that day.
  one.s3('write', 1);
  nowMs = NOON;
  await one.flush(kept.records);
  one.s3('free');
  one.lent(7);
  await one.flush(kept.records, true);
  const { days, keptBytes } = await costReport(kept, 3, NOON);
  assert.is(keptBytes, undefined);
  assert.equal(
    days.map(({ day, processes }) => [day, processes]),
    [
      [dayOf(NOON), 1],
      [dayOf(NOON - DAY), 2],
      [dayOf(NOON - 2 * DAY), 0],
    ],
  );
  const [today, yesterday] = days;
  assert.equal([today?.s3Writes, today?.lentChunks, today?.lentBytes], [0, 1, 7]);
  assert.equal([yesterday?.s3Writes, yesterday?.s3BytesIn], [2, 101]);
  assert.equal([yesterday?.s3Reads, yesterday?.calls, yesterday?.gbSeconds], [1, 1, 1]);
});

test('writes a record every five minutes at most, and again after a failure', async () => {
  await using kept = await openKeptFolder();
  let nowMs = NOON;
  let puts = 0;
  let isAway = false;
  const records = {
    ...kept.records,
    get: async () => undefined,
    async put(path: string, record: object) {
      puts += 1;
      if (isAway) throw new Error('away');
      await kept.records.put(path, record);
    },
  };
  const usage = new Usage(() => nowMs);
  for (let minute = 0; minute < 60; minute += 1) {
    usage.called(1, 1024);
    await usage.flush(records);
    nowMs += MINUTE;
  }
  assert.is(puts, 11);
  isAway = true;
  await usage.flush(records, true);
  isAway = false;
  nowMs += 5 * MINUTE;
  await usage.flush(records);
  const { days } = await costReport(kept, 1, NOON);
  assert.is(days[0]?.calls, 60);
  await usage.flush(records, true);
  assert.is(puts, 13, 'nothing was counted since');
});

test.run();
