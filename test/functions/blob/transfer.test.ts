import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LookAhead } from '../../../functions/blob/look-ahead.ts';
import type { Source, Upstream } from '../../../functions/blob/upstream.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { gate } from '../../support/gate.ts';
import { handBody } from '../../support/hand-body.ts';
import { startOrigin } from '../../support/origin.ts';
import { CHUNK, openReader, originUpstream, readSpan } from '../../support/reader.ts';
import { rejects } from '../../support/rejects.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/blob/transfer');

const BYTES = blobOf(3 * CHUNK, 'relayed');
const SPAN = { start: CHUNK, end: 2 * CHUNK };

/** Reads the second chunk as a node does that passes it on, from a sibling that sends these bytes and proves the right ones. */
async function passOn(sent: Buffer) {
  await using origin = await startOrigin();
  await using origins = originUpstream();
  const url = origin.put('/blob', BYTES, { etag: 'a' });
  const hand = handBody();
  let blames = 0;
  const sibling: Source = {
    name: 'http://sibling.test',
    kind: 'sibling',
    blame: () => {
      blames += 1;
    },
    open: async () => ({
      status: 206,
      headers: {
        etag: '"a"',
        'content-range': `bytes ${SPAN.start}-${SPAN.end - 1}/${BYTES.length}`,
        'content-length': String(CHUNK),
      },
      body: hand.body,
      proof: () => sha256(BYTES.subarray(SPAN.start, SPAN.end)),
    }),
  };
  const upstream: Upstream = {
    *sources(address, wanted) {
      if (wanted?.index === 1) yield sibling;
      yield* origins.upstream.sources(address, wanted);
    },
  };
  await using kit = openReader({ upstream, lookAhead: { perRead: 0, total: 0 } });
  const blob = await kit.open(url, { relays: true });
  const got: Buffer[] = [];
  let count = 0;
  const reading = (async () => {
    for await (const piece of blob.read(SPAN, new AbortController().signal)) {
      got.push(Buffer.from(piece));
      count += piece.length;
    }
    return blob.digest();
  })();
  reading.catch(() => {});
  await until('the sibling to be read', hand.isRead);
  hand.send(sent);
  await until('all of it to be passed on', () => count === CHUNK);
  hand.end();
  await reading.catch(() => {});
  return { reading, got, blames };
}

test('ends a chunk that was passed on as it came by its digest', async () => {
  const right = BYTES.subarray(SPAN.start, SPAN.end);
  const { reading, got, blames } = await passOn(right);
  assert.is(await reading, sha256(right));
  assert.is(sha256(Buffer.concat(got)), sha256(right));
  assert.is(blames, 0);
});

test('breaks a transfer whose bytes proved wrong after all were passed on, rather than end it by the digest of the right ones', async () => {
  // Whoever it was passed on to would have blamed the relay, which had seen it and mended its own copy.
  const wrong = Buffer.from(BYTES.subarray(SPAN.start, SPAN.end));
  wrong[100] = (wrong[100] ?? 0) ^ 1;
  const { reading, blames } = await passOn(wrong);
  await rejects('CHUNK_CORRUPT', reading);
  assert.is(blames, 1);
});

/** Reads a blob whose second chunk comes only once `mayCome`; the indexes of those asked for while it is waited for. */
async function readPastLate(lookAhead: LookAhead, askedMeanwhile: number): Promise<number[]> {
  await using origin = await startOrigin();
  await using origins = originUpstream();
  const blob = blobOf(30 * CHUNK, 'late');
  const late = gate();
  const asked: number[] = [];
  let open = 0;
  let most = 0;
  const upstream: Upstream = {
    *sources(address, wanted) {
      for (const source of origins.upstream.sources(address, wanted)) {
        yield {
          ...source,
          async open(query, signal) {
            if (wanted !== undefined && wanted.index > 0) asked.push(wanted.index);
            open += 1;
            most = Math.max(most, open);
            if (wanted?.index === 1) await late.opened;
            const reply = await source.open(query, signal);
            open -= 1;
            return reply;
          },
        };
      }
    },
  };
  await using kit = openReader({ upstream, lookAhead });
  const blobRead = await kit.open(origin.put('/blob', blob));
  const reading = readSpan(blobRead);
  await until('all to be asked for that may be', () => asked.length === askedMeanwhile);
  await until('all but the late one to have come', () => kit.reader.flights === 1);
  const meanwhile = asked.toSorted((a, b) => a - b);
  late.open();
  assert.is(sha256(await reading), sha256(blob));
  const mostAhead = lookAhead.spare?.perRead ?? lookAhead.perRead;
  assert.ok(most <= 1 + mostAhead, `${most} at a time`);
  return meanwhile;
}

test('fetches those that are further ahead while it waits for a chunk that is late, no more at a time than ever', async () => {
  // Until it landed nothing took the place of what had: of siblings nothing is seen before all of it is checked.
  const lookAhead = { perRead: 2, total: 16, seed: 7 };
  assert.equal(
    await readPastLate({ ...lookAhead, beyondLate: 12 }, 13),
    Array.from({ length: 13 }, (_, at) => at + 1),
  );
  assert.equal(await readPastLate(lookAhead, 5), [1, 2, 3, 4, 5]);
});

test('fetches more ahead while the link has room, once it reads on for long', async () => {
  const lookAhead = (hasRoom: boolean) => ({
    ...{ perRead: 2, total: 16 },
    spare: { perRead: 6, hasRoom: () => hasRoom },
  });
  assert.equal(await readPastLate(lookAhead(false), 5), [1, 2, 3, 4, 5]);
  assert.equal(
    await readPastLate(lookAhead(true), 13),
    Array.from({ length: 13 }, (_, at) => at + 1),
  );
  // A reader that has just begun may want little.
  const begun = { ...lookAhead(true), perRead: 4 };
  assert.equal(await readPastLate(begun, 7), [1, 2, 3, 4, 5, 6, 7]);
});

test.run();
