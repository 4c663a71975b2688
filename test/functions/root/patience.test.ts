import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Patience } from '../../../functions/root/patience.ts';

const test = suite('functions/root/patience');

function start(boundMs = 60_000) {
  const clock = { nowMs: 0 };
  const patience = new Patience({ slowMs: 100, boundMs, restMs: 1_000, now: () => clock.nowMs });
  return { clock, patience };
}

const messageOf = (calling: Promise<unknown>): Promise<string> =>
  calling.then(
    () => 'nothing failed',
    (error: Error) => error.message,
  );

test('passes on what work comes to, and what it fails with', async () => {
  const { patience } = start();
  assert.is(await patience.call(async () => 7), 7);
  assert.is(await messageOf(patience.call(() => Promise.reject(new Error('no')))), 'no');
});

test('gives up on work that does not end, whether or not it listens', async () => {
  const { patience } = start(20);
  let signal: AbortSignal | undefined;
  const calling = patience.call((given) => {
    signal = given;
    return new Promise(() => {});
  }, 5);
  assert.is(await messageOf(calling), 'no answer in 25 ms');
  assert.ok(signal?.aborted);
});

test('fails at once for a while after a slow failure, and then tries again', async () => {
  const { clock, patience } = start();
  let calls = 0;
  const fail = (tookMs: number) =>
    messageOf(
      patience.call(async () => {
        calls += 1;
        clock.nowMs += tookMs;
        throw new Error('failed');
      }),
    );
  assert.is(await fail(99), 'failed');
  assert.is(await fail(100), 'failed');
  clock.nowMs += 999;
  assert.match(await fail(1), 'did not answer');
  assert.is(calls, 2);
  clock.nowMs += 1;
  assert.is(await fail(1), 'failed');
  assert.is(await patience.call(async () => 'well again'), 'well again');
});

test('ends what is under way', async () => {
  const { patience } = start();
  const calling = messageOf(patience.call(() => new Promise(() => {})));
  patience.end();
  assert.is(await calling, 'it is closed');
});

test.run();
