import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Flight } from '../../../functions/blob/flight.ts';
import { type PourLimits, Pours } from '../../../functions/blob/pours.ts';
import type { Source } from '../../../functions/blob/upstream.ts';
import { scriptedReply } from '../../support/scripted-reply.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/blob/pours');

const SOURCE: Source = {
  name: 'origin',
  kind: 'origin',
  open: () => Promise.reject(new Error('nobody should ask')),
};

function openPours(limits: PourLimits) {
  const pours = new Pours(limits);
  return {
    pours,
    /** Starts a transfer of a blob and draws one byte at `index`; it is idle then. */
    async start(key: string, index = 0) {
      const body = scriptedReply();
      const pour = pours.add(key, SOURCE, body.reply);
      const filled = pours.fill(pour, flightAt(index), index);
      void body.push(new Uint8Array(100));
      await filled;
      return { pour, body };
    },
  };
}

const flightAt = (index: number) => new Flight({ key: 'k', chunkBytes: 1, index }, 1);

test('gives up a transfer that nobody draws from, and forgets it', async () => {
  // One that had refused a flight was held for ever, and none was ever forgotten.
  const { pours, start } = openPours({ idleMs: 20, maxIdle: 10 });
  const { pour, body } = await start('a', 5);
  await pours.fill(pour, flightAt(2), 2).catch(() => {});
  await pours.fill(pour, flightAt(6), 6);
  await until('the transfer to be given up', () => body.discarded);
  assert.is(pours.size, 0);
  assert.is(pours.find('a', 50), undefined);
});

test('forgets a transfer that ends or breaks', async () => {
  const { pours, start } = openPours({ idleMs: 60_000, maxIdle: 10 });
  for (const error of [undefined, new Error('broke')]) {
    const { body } = await start('a');
    body.end(error);
    await until('the transfer to be forgotten', () => pours.size === 0);
  }
});

test('keeps so many idle and no more: the one idle longest goes first', async () => {
  const { pours, start } = openPours({ idleMs: 60_000, maxIdle: 2 });
  const a = await start('a');
  const b = await start('b');
  await pours.fill(a.pour, flightAt(1), 1);
  await start('c');
  assert.equal([a.body.discarded, b.body.discarded], [false, true]);
  assert.is(pours.size, 2);
});

test('lets none go that is drawn from', async () => {
  const { pours, start } = openPours({ idleMs: 60_000, maxIdle: 1 });
  const a = await start('a');
  const drawing = pours.fill(a.pour, flightAt(200), 200);
  const others = [await start('b'), await start('c')];
  assert.equal(
    [a, ...others].map(({ body }) => body.discarded),
    [false, true, false],
  );
  void a.body.push(new Uint8Array(200));
  await drawing;
});

test('finds the transfer of the blob that has the least to skip', async () => {
  const { pours, start } = openPours({ idleMs: 60_000, maxIdle: 10 });
  const near = await start('a', 5);
  const far = await start('a', 50);
  await start('b', 30);
  assert.is(pours.find('a', 51), far.pour);
  assert.is(pours.find('a', 90), far.pour);
  assert.is(pours.find('a', 50), near.pour);
  assert.is(pours.find('a', 6), near.pour);
  assert.is(pours.find('a', 5), undefined);
  assert.is(pours.find('c', 5), undefined);
});

test.run();
