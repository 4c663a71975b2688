import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Flight } from '../../../functions/blob/flight.ts';
import { Pour } from '../../../functions/blob/pour.ts';
import type { Source } from '../../../functions/blob/upstream.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { rejects } from '../../support/rejects.ts';
import { scriptedReply } from '../../support/scripted-reply.ts';
import { seeded } from '../../support/seeded.ts';

const test = suite('functions/blob/pour');

const CHUNK = 10;
const BYTES = blobOf(10 * CHUNK, 'poured');
const SOURCE: Source = {
  name: 'origin',
  kind: 'origin',
  open: () => Promise.reject(new Error('nobody should ask')),
};

function startPour() {
  const told: string[] = [];
  const body = scriptedReply();
  const pour = new Pour(SOURCE, body.reply, {
    idled: () => told.push('idled'),
    ended: () => told.push('ended'),
  });
  const flights = new Map<number, Flight>();
  return {
    pour,
    body,
    told,
    flights,
    want(index: number): Promise<void> {
      const flight = new Flight({ key: 'k', chunkBytes: CHUNK, index }, CHUNK);
      flights.set(index, flight);
      return pour.fill(flight, index * CHUNK);
    },
    has(index: number): boolean {
      const bytes = flights.get(index)?.bytes ?? new Uint8Array(0);
      return sha256(bytes) === sha256(BYTES.subarray(index * CHUNK, (index + 1) * CHUNK));
    },
  };
}

for (const pieceBytes of [1, 3, CHUNK, 25, 100]) {
  test(`fills flights that ask at once and out of order, in pieces of ${pieceBytes}`, async () => {
    // A flight asked for behind one further on found its bytes passed.
    const { pour, body, told, want, has } = startPour();
    const wanted = [7, 2, 9, 0, 3].map(want);
    for (let at = 0; at < BYTES.length; at += pieceBytes) {
      await body.push(BYTES.subarray(at, at + pieceBytes));
    }
    await Promise.all(wanted);
    for (const index of [7, 2, 9, 0, 3]) assert.ok(has(index), `chunk ${index}`);
    assert.ok(pour.isIdle);
    assert.equal(told, ['idled']);
  });
}

test('fills what lies ahead of what is asked for first, when that is asked for in time', async () => {
  const { body, want, has } = startPour();
  const far = want(8);
  await body.push(BYTES.subarray(0, 25));
  const near = want(3);
  void body.push(BYTES.subarray(25));
  await Promise.all([far, near]);
  assert.ok(has(8) && has(3));
});

test('goes on where a flight that broke elsewhere stands', async () => {
  const { pour, body } = startPour();
  const flight = new Flight({ key: 'k', chunkBytes: CHUNK, index: 1 }, CHUNK);
  flight.append(BYTES.subarray(CHUNK, CHUNK + 4));
  const filled = pour.fill(flight, CHUNK);
  void body.push(BYTES.subarray(0, 33));
  await filled;
  assert.is(sha256(flight.bytes), sha256(BYTES.subarray(CHUNK, 2 * CHUNK)));
});

test('holds the transfer while nobody wants any, and refuses what has passed', async () => {
  const { pour, body, want, has } = startPour();
  const first = want(4);
  const pushed = body.push(BYTES);
  await first;
  assert.is(pour.offset, 5 * CHUNK);
  assert.ok(pour.reaches(5 * CHUNK));
  assert.not(pour.reaches(5 * CHUNK - 1));
  // Refusing one left it held for ever.
  await rejects('UPSTREAM_TRUNCATED', want(4));
  assert.ok(pour.isIdle);
  const second = want(9);
  await Promise.all([second, pushed]);
  assert.ok(has(9));
});

test('gives the bytes of a chunk to one flight alone, and tells a second that they have passed', async () => {
  // A chunk has two flights when its blob was dropped meanwhile.
  const { body, told, want, has } = startPour();
  const first = want(2);
  const second = want(2).catch((error: unknown) => error);
  void body.push(BYTES);
  await rejects('UPSTREAM_TRUNCATED', Promise.reject(await second));
  await first;
  assert.equal(told, ['idled']);
  await want(3);
  assert.ok(has(3));
});

test('fails all who wait, once, when the body ends short or breaks, and reaches nothing then', async () => {
  for (const error of [undefined, new Error('broke')]) {
    const { pour, body, told, want } = startPour();
    const wanted = [want(5), want(1)].map((promise) => promise.catch((reason: unknown) => reason));
    await body.push(BYTES.subarray(0, 5));
    body.end(error);
    for (const reason of await Promise.all(wanted)) {
      if (error === undefined) await rejects('UPSTREAM_TRUNCATED', Promise.reject(reason));
      else assert.is(reason, error);
    }
    assert.not(pour.reaches(99));
    assert.equal(told, ['ended']);
  }
});

test('is over at once when it is discarded, even when its body has long arrived', async () => {
  // A body that had been received whole could not be given up: what was held was held for ever.
  const { pour, body, told, want } = startPour();
  const wanted = want(1);
  pour.discard();
  assert.ok(body.discarded);
  assert.not(pour.reaches(0));
  await rejects('UPSTREAM_TRUNCATED', wanted);
  pour.discard();
  assert.equal(told, ['ended']);
});

test('fills any set of flights right, whenever they come', async () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const random = seeded(seed);
    const { pour, body, want, has } = startPour();
    const asked = new Map<number, Promise<boolean>>();
    for (let at = 0; at < BYTES.length; ) {
      const index = Math.floor(random() * 10);
      if (!asked.has(index)) {
        const reachable = pour.reaches(index * CHUNK);
        const filled = want(index).then(
          () => true,
          () => false,
        );
        asked.set(
          index,
          filled.then((is) => is === reachable && (!is || has(index))),
        );
      }
      const piece = BYTES.subarray(at, at + 1 + Math.floor(random() * 15));
      at += piece.length;
      void body.push(piece);
      await Promise.resolve();
    }
    if (pour.isIdle) continue;
    body.end();
    await Promise.all(asked.values());
  }
});

test.run();
