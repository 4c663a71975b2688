import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Source, Upstream } from '../../../functions/blob/upstream.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { handBody } from '../../support/hand-body.ts';
import { startOrigin } from '../../support/origin.ts';
import { CHUNK, openReader, originUpstream } from '../../support/reader.ts';
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

test.run();
