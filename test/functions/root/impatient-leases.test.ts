import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Claim, Leases, Waiting } from '../../../functions/blob/leases.ts';
import { ImpatientLeases } from '../../../functions/root/impatient-leases.ts';
import { leaseBoard } from '../../support/lease-board.ts';

const test = suite('functions/root/impatient-leases');

const never = new AbortController().signal;

/** Leases that somebody else holds, and renews, for good. */
function opened() {
  const board = leaseBoard();
  const asked = { open: 0 };
  const leases: Leases = {
    claim: (_name, _look, _waiting, signal) => {
      asked.open += 1;
      return new Promise((_, reject) => {
        const end = () => {
          asked.open -= 1;
          reject(signal.reason);
        };
        signal.addEventListener('abort', end, { once: true });
        if (signal.aborted) end();
      });
    },
  };
  const impatient = new ImpatientLeases({ leases, now: board.now, sleep: board.sleep });
  const claims = new Map<string, Claim<string>>();
  return {
    board,
    asked,
    claims,
    claim(name: string, waiting: Waiting = 'until found', signal: AbortSignal = never): Promise<void> {
      const claiming = impatient.claim(name, async () => board.stored.get(name), waiting, signal);
      return claiming.then((claim) => void claims.set(name, claim));
    },
    /** Says that what was claimed is fetched. */
    filled(name: string): void {
      const claim = claims.get(name);
      assert.is(claim?.found, undefined);
      if (claim?.found === undefined) claim?.filled?.();
    },
  };
}

test('fetches one of what another holds too long, then the others at once where that was quick', async () => {
  const { board, asked, claims, claim, filled } = opened();
  for (const name of ['a', 'b', 'c']) claim(name);
  await board.run(7_900);
  assert.is(claims.size, 0);
  await board.run(600);
  assert.equal([...claims.keys()], ['a']);
  assert.is(asked.open, 2);
  await board.run(1_000);
  filled('a');
  await board.run(300);
  assert.equal([...claims.keys()], ['a', 'b', 'c']);
  assert.is(asked.open, 0);
  // For a while what is asked for later is waited for a little.
  claim('d');
  await board.run(900);
  assert.not(claims.has('d'));
  await board.run(600);
  assert.ok(claims.has('d'));
  await board.run(31_000);
  claim('e');
  await board.run(7_900);
  assert.not(claims.has('e'));
});

test('fetches none of the others for a while where the one took long', async () => {
  const { board, claims, claim, filled } = opened();
  for (const name of ['a', 'b']) claim(name);
  await board.run(8_500);
  await board.run(4_000);
  filled('a');
  await board.run(29_500);
  assert.equal([...claims.keys()], ['a']);
  await board.run(1_000);
  assert.equal([...claims.keys()], ['a', 'b']);
});

test('fetches none of the others for a while where the one was not to be had', async () => {
  const { board, claims, claim } = opened();
  for (const name of ['a', 'b']) claim(name);
  await board.run(8_500);
  await claims.get('a')?.release?.();
  await board.run(29_500);
  assert.equal([...claims.keys()], ['a']);
  await board.run(1_000);
  assert.equal([...claims.keys()], ['a', 'b']);
});

test('tries one anew after a while, however many were quick meanwhile', async () => {
  const { board, claims, claim, filled } = opened();
  claim('a');
  await board.run(8_500);
  filled('a');
  for (const name of ['b', 'c', 'd']) {
    claim(name);
    await board.run(1_500);
    filled(name);
    await claims.get(name)?.release?.();
    await board.run(7_500);
  }
  await board.run(4_000);
  claim('e');
  await board.run(7_500);
  assert.not(claims.has('e'));
  await board.run(1_000);
  assert.ok(claims.has('e'));
});

test('gives what was kept meanwhile', async () => {
  const { board, claims, claim } = opened();
  claim('a');
  await board.run(7_000);
  board.stored.set('a', 'kept');
  await board.run(1_500);
  assert.equal(claims.get('a'), { found: 'kept' });
  // That was no trial: another may be one.
  claim('b');
  await board.run(8_500);
  assert.is(claims.get('b')?.found, undefined);
});

test('waits as long as it takes for what is waited for once, and no longer than the signal', async () => {
  const { board, asked, claims, claim } = opened();
  claim('a', 'for one');
  const leaving = new AbortController();
  const left = claim('b', 'until found', leaving.signal);
  await board.run(1_000);
  leaving.abort(new Error('left'));
  await left.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'left'),
  );
  await board.run(60_000);
  assert.is(claims.size, 0);
  assert.is(asked.open, 1);
});

test.run();
