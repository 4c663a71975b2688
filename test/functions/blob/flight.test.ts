import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Flight } from '../../../functions/blob/flight.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { throws } from '../../support/rejects.ts';
import { idOf } from '../../support/samples.ts';

const test = suite('functions/blob/flight');

const NEVER = new AbortController().signal;
const BYTES = blobOf(100, 'flight');

test('lets all who wait through as soon as there is a byte more than they have', async () => {
  const flight = new Flight(idOf(), 100);
  const waiting = [0, 0, 9].map((at) => flight.beyond(at, NEVER));
  flight.append(BYTES.subarray(0, 10));
  assert.equal(await Promise.all(waiting), [10, 10, 10]);
  assert.is(await flight.beyond(5, NEVER), 10);
  let arrived = false;
  const later = flight.beyond(10, NEVER).then(() => {
    arrived = true;
  });
  await Promise.resolve();
  assert.not(arrived);
  flight.append(BYTES.subarray(10, 11));
  await later;
  assert.ok(Buffer.from(flight.view(0, 11)).equals(BYTES.subarray(0, 11)));
});

test('keeps pieces in the order they came, and no piece by reference', () => {
  const flight = new Flight(idOf(), 100);
  const piece = Buffer.from(BYTES.subarray(0, 60));
  flight.append(piece);
  piece.fill(0);
  flight.append(BYTES.subarray(60));
  assert.is(sha256(flight.bytes), sha256(BYTES));
});

test('takes no byte more than the chunk has', () => {
  const flight = new Flight(idOf(), 100);
  flight.append(BYTES);
  throws('UPSTREAM_MISMATCHED', () => flight.append(Buffer.from('x')));
  assert.is(flight.filled, 100);
});

test('tells how long the rest takes if it goes on as it came', async () => {
  const flight = new Flight(idOf(), 100);
  assert.is(flight.leftMs, Number.POSITIVE_INFINITY);
  flight.append(BYTES.subarray(0, 20));
  await setTimeout(100);
  const few = flight.leftMs;
  // Four times as much is left as came in these 100 ms.
  assert.ok(few >= 390 && few < 4_000, `${few} ms`);
  flight.append(BYTES.subarray(20, 80));
  const most = flight.leftMs;
  assert.ok(most < few / 8, `${most} ms, after ${few}`);
  // What came before counts for nothing of what comes from another source.
  assert.ok(flight.startOver(undefined));
  assert.is(flight.leftMs, Number.POSITIVE_INFINITY);
});

test('gives a chunk that comes whole to all who wait', async () => {
  const flight = new Flight(idOf(), 100);
  const waiting = flight.beyond(0, NEVER);
  const chunk = { bytes: BYTES, sha256: sha256(BYTES) };
  flight.land(chunk);
  assert.is(await waiting, 100);
  assert.is(await flight.landed, chunk);
  assert.is(flight.sha256, chunk.sha256);
  assert.is(sha256(flight.view(0, 100)), chunk.sha256);
});

test('tells a failure to all who wait, and lets those have what is there who want no more', async () => {
  const flight = new Flight(idOf(), 100);
  flight.append(BYTES.subarray(0, 10));
  const waiting = [10, 50].map((at) => flight.beyond(at, NEVER).catch((error: unknown) => error));
  const error = new Error('broke');
  flight.crash(error);
  assert.equal(await Promise.all(waiting), [error, error]);
  assert.is(await flight.beyond(3, NEVER), 10);
  assert.is(await flight.landed.catch((cause: unknown) => cause), error);
});

test('starts over as long as nobody has seen any of it', async () => {
  const flight = new Flight(idOf(), 100);
  flight.expected = 'told by the source';
  flight.append(BYTES.subarray(0, 50));
  const there = await flight.beyond(0, NEVER);
  assert.ok(flight.startOver('known'));
  assert.equal([flight.filled, flight.expected], [0, 'known']);
  // Whoever was on the way to look finds nothing, rather than what was dropped.
  assert.is(flight.view(0, there).length, 0);
  flight.append(BYTES.subarray(0, 10));
  assert.is(flight.view(0, there).length, 10);
  assert.not(flight.startOver('known'));
  assert.is(flight.filled, 10);
});

test('lets one who leaves go with his reason, and the others wait on', async () => {
  const flight = new Flight(idOf(), 100);
  const leaving = new AbortController();
  const gone = flight.beyond(0, leaving.signal).catch((error: unknown) => error);
  const stays = flight.beyond(0, NEVER);
  leaving.abort(new Error('left'));
  assert.is(((await gone) as Error).message, 'left');
  flight.append(BYTES);
  assert.is(await stays, 100);
  assert.is(await flight.beyond(0, AbortSignal.abort()), 100);
  await rejectsWith('AbortError', flight.beyond(100, AbortSignal.abort()));
});

async function rejectsWith(name: string, promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.is((error as Error | undefined)?.name, name);
}

test('shows a client nothing that is not trusted before it is checked, and a relay all of it', async () => {
  const flight = new Flight({ key: 'k', chunkBytes: 8, index: 0 }, 8);
  const { signal } = new AbortController();
  flight.append(Buffer.from('ab'));
  flight.distrust();
  flight.append(Buffer.from('cdefgh'));
  assert.is(await flight.beyond(0, signal), 2);
  assert.is(String(flight.view(0, 8)), 'ab');
  assert.is(await flight.beyond(2, signal, 'relay'), 8);
  assert.is(String(flight.view(0, 8, 'relay')), 'abcdefgh');
  flight.land(flight.chunk('sum'));
  assert.is(String(flight.view(0, 8)), 'abcdefgh');
});

test('drops what is not trusted, keeps what a client has seen, and tells relays', () => {
  const flight = new Flight({ key: 'k', chunkBytes: 8, index: 0 }, 8);
  flight.append(Buffer.from('ab'));
  flight.view(0, 2);
  flight.distrust();
  flight.append(Buffer.from('xxxxxx'));
  flight.view(0, 8, 'relay');
  const { epoch } = flight;
  assert.ok(flight.startOver(undefined));
  assert.equal([flight.filled, flight.isTrusted], [2, true]);
  assert.is.not(flight.epoch, epoch);
  // All of it is trusted now, and some was seen.
  assert.not(flight.startOver(undefined));
});

test('drops all of it where no client has seen any', () => {
  const flight = new Flight({ key: 'k', chunkBytes: 8, index: 0 }, 8);
  flight.append(Buffer.from('ab'));
  flight.distrust();
  flight.append(Buffer.from('cd'));
  flight.view(0, 4, 'relay');
  assert.ok(flight.startOver('sum'));
  assert.equal([flight.filled, flight.expected], [0, 'sum']);
});

test('keeps a few bytes back from relays until it is whole, and gives them one with each word that more will come', async () => {
  const flight = new Flight(idOf(), 100);
  flight.append(BYTES.subarray(0, 32));
  const first = flight.beyond(0, NEVER, 'relay');
  flight.append(BYTES.subarray(32, 50));
  assert.equal([await first, await flight.beyond(0, NEVER)], [18, 50]);
  for (let word = 1; word <= 40; word += 1) {
    flight.heard();
    assert.is(flight.view(0, 100, 'relay').length, Math.min(50, 18 + word));
  }
  // What came in between is not shown twice, nor late.
  flight.append(BYTES.subarray(50, 60));
  assert.is(flight.view(0, 100, 'relay').length, 50);
  flight.append(BYTES.subarray(60));
  assert.is(sha256(flight.view(0, 100, 'relay')), sha256(BYTES));
});

test('shows relays nothing of what was dropped, however many words came', () => {
  const flight = new Flight(idOf(), 100);
  flight.distrust();
  flight.append(BYTES.subarray(0, 50));
  flight.heard();
  assert.is(flight.view(0, 100, 'relay').length, 19);
  assert.ok(flight.startOver(undefined));
  flight.heard();
  assert.is(flight.view(0, 100, 'relay').length, 0);
});

test.run();
