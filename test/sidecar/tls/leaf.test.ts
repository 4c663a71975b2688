import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Leaves } from '../../../sidecar/tls/leaf.ts';

const test = suite('sidecar/tls/leaf');

const LIFE_MS = 900;

function openLeaves() {
  const issued: string[] = [];
  const clock = { nowMs: 0 };
  let failure: Error | undefined;
  const leaves = new Leaves({
    authority: {
      async issue(host, nowMs) {
        issued.push(host);
        if (failure !== undefined) throw failure;
        return { cert: `${host} ${issued.length}`, key: '', notAfterMs: nowMs + LIFE_MS };
      },
    },
    now: () => clock.nowMs,
  });
  return {
    leaves,
    issued,
    clock,
    failWith(error: Error | undefined) {
      failure = error;
    },
  };
}

test('makes one for all who ask at once, and for those who come later', async () => {
  const { leaves, issued } = openLeaves();
  const asked = await Promise.all(Array.from({ length: 7 }, () => leaves.of('a.test')));
  assert.is(new Set(asked).size, 1);
  assert.is(await leaves.of('a.test'), asked[0]);
  await leaves.of('b.test');
  assert.equal(issued, ['a.test', 'b.test']);
});

test('makes it anew before it ends', async () => {
  const { leaves, issued, clock } = openLeaves();
  const first = await leaves.of('a.test');
  clock.nowMs = (2 / 3) * LIFE_MS - 1;
  assert.is(await leaves.of('a.test'), first);
  clock.nowMs = (2 / 3) * LIFE_MS;
  assert.is.not(await leaves.of('a.test'), first);
  assert.is(issued.length, 2);
});

test('does not remember a failure', async () => {
  const { leaves, issued, failWith } = openLeaves();
  failWith(new Error('no entropy'));
  const message = await leaves.of('a.test').then(
    () => 'none',
    (error: Error) => error.message,
  );
  assert.is(message, 'no entropy');
  failWith(undefined);
  assert.is((await leaves.of('a.test')).cert, 'a.test 2');
  assert.is(issued.length, 2);
});

test('holds a bounded number of hosts', async () => {
  const { leaves, issued } = openLeaves();
  for (let host = 0; host < 300; host += 1) await leaves.of(`h${host}.test`);
  await leaves.of('h299.test');
  assert.is(issued.length, 300);
  await leaves.of('h0.test');
  assert.is(issued.length, 301);
});

test.run();
