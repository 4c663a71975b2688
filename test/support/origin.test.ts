import { gunzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256, virtualBlob } from './blob-of.ts';
import { type Ask, get } from './client.ts';
import type { Fault } from './fault.ts';
import { startOrigin } from './origin.ts';

// A test origin that misbehaves otherwise than it says would hide what the product does wrong.
const test = suite('support/origin');

const BLOB = blobOf(100_000, 'origin');
const range = (header: string): Ask => ({ headers: { range: header } });

async function ask(fault: Fault, how: Ask = {}) {
  await using origin = await startOrigin({ blobs: { '/b': BLOB }, faults: [fault] });
  const answer = await get(`${origin.url}/b`, how);
  return { ...answer, hit: origin.hits[0], bytesSent: origin.bytesSent };
}

test('serves the whole blob with its validators', async () => {
  const answer = await ask({});
  assert.is(answer.status, 200);
  assert.is(answer.digest, sha256(BLOB));
  assert.is(answer.complete, true);
  assert.is(answer.headers['content-length'], '100000');
  assert.match(String(answer.headers.etag), /^"[0-9a-f]{16}"$/);
  assert.is(answer.bytesSent, 100_000);
  assert.is(answer.hit?.bytes, 100_000);
});

test('serves first, middle, last and suffix ranges, and refuses one beyond the end', async () => {
  for (const [header, start, end] of [
    ['bytes=0-0', 0, 1],
    ['bytes=10-99', 10, 100],
    ['bytes=99999-', 99_999, 100_000],
    ['bytes=99990-200000', 99_990, 100_000],
    ['bytes=-5', 99_995, 100_000],
    ['bytes=-200000', 0, 100_000],
  ] as const) {
    const answer = await ask({}, range(header));
    assert.is(answer.status, 206, header);
    assert.is(answer.headers['content-range'], `bytes ${start}-${end - 1}/100000`);
    assert.is(answer.digest, sha256(BLOB.subarray(start, end)), header);
  }
  for (const header of ['bytes=100000-', 'bytes=-0']) {
    const answer = await ask({}, range(header));
    assert.is(answer.status, 416, header);
    assert.is(answer.headers['content-range'], 'bytes */100000');
  }
});

test('honours conditions', async () => {
  await using origin = await startOrigin();
  const url = origin.put('/b', BLOB, { etag: 'v1' });
  const status = async (headers: Record<string, string>) => (await get(url, { headers })).status;
  assert.is(await status({ 'if-none-match': '"v1"' }), 304);
  assert.is(await status({ 'if-none-match': '"v2"' }), 200);
  assert.is(await status({ 'if-match': '"v2"' }), 412);
  assert.is(await status({ 'if-modified-since': 'Wed, 01 Jan 2020 00:00:00 GMT' }), 304);
  assert.is(await status({ range: 'bytes=0-1', 'if-range': '"v1"' }), 206);
  assert.is(await status({ range: 'bytes=0-1', 'if-range': '"v2"' }), 200);
});

test('answers HEAD without a body, and 404 for what it does not have', async () => {
  const head = await ask({}, { method: 'HEAD' });
  assert.is(head.headers['content-length'], '100000');
  assert.is(head.size, 0);
  await using origin = await startOrigin();
  assert.is((await get(`${origin.url}/none`)).status, 404);
});

test('takes faults in order, then behaves', async () => {
  await using origin = await startOrigin({
    blobs: { '/b': BLOB },
    faults: [{ status: 503 }, { status: 404 }],
  });
  const seen = [];
  for (let n = 0; n < 3; n += 1) seen.push((await get(`${origin.url}/b`)).status);
  assert.equal(seen, [503, 404, 200]);
  origin.always = { status: 500 };
  assert.is((await get(`${origin.url}/b`)).status, 500);
  assert.equal(
    origin.hits.map((hit) => hit.status),
    [503, 404, 200, 500],
  );
});

test('answers a status with its own headers and body', async () => {
  const answer = await ask({ status: 429, headers: { 'retry-after': '7' }, body: 'slow down' });
  assert.is(answer.status, 429);
  assert.is(answer.headers['retry-after'], '7');
  assert.is(answer.text, 'slow down');
  const moved = await ask({ redirect: 'http://127.0.0.1:1/x' });
  assert.is(moved.status, 307);
  assert.is(moved.headers.location, 'http://127.0.0.1:1/x');
});

test('resets before the headers', async () => {
  const answer = await ask({ reset: true });
  assert.is(answer.status, 0);
  assert.is((answer.error as NodeJS.ErrnoException).code, 'ECONNRESET');
});

test('cuts after exactly as many bytes as told', async () => {
  for (const cutAfterBytes of [0, 1, 1000, 99_999]) {
    const answer = await ask({ cutAfterBytes });
    assert.is(answer.status, 200);
    assert.is(answer.complete, false);
    assert.is(answer.size, cutAfterBytes);
    assert.is(answer.headers['content-length'], '100000');
  }
});

test('resets in the middle of a body', async () => {
  const answer = await ask({ resetAfterBytes: 1000 });
  assert.is(answer.complete, false);
  assert.ok(answer.size <= 1000);
});

test('stalls for a while or for ever', async () => {
  const passing = await ask({ stallAfterBytes: 500, stallMs: 200 });
  assert.is(passing.digest, sha256(BLOB));
  assert.ok(passing.totalMs >= 190, `${passing.totalMs} ms`);
  const gone = new AbortController();
  const onPiece = () => void setTimeout(() => gone.abort(), 200);
  const ever = await ask({ stallAfterBytes: 500 }, { signal: gone.signal, onPiece });
  assert.is(ever.complete, false);
  assert.is(ever.size, 500);
});

test('ignores the range, or says another', async () => {
  const whole = await ask({ ignoreRange: true }, range('bytes=5-9'));
  assert.is(whole.status, 200);
  assert.is(whole.digest, sha256(BLOB));
  const wrong = await ask({ contentRange: 'bytes 6-10/100000' }, range('bytes=5-9'));
  assert.is(wrong.headers['content-range'], 'bytes 6-10/100000');
  assert.is(wrong.digest, sha256(BLOB.subarray(5, 10)));
});

test('sends too little and too much with a Content-Length that agrees', async () => {
  const short = await ask({ shortBody: 3 }, range('bytes=5-9'));
  assert.equal([short.size, short.headers['content-length'], short.complete], [3, '3', true]);
  assert.is(short.headers['content-range'], 'bytes 5-9/100000');
  const long = await ask({ extraBytes: 4 }, range('bytes=5-9'));
  assert.equal([long.size, long.headers['content-length'], long.complete], [9, '9', true]);
});

test('sends without a length, chunked or up to the end of the connection', async () => {
  const chunked = await ask({ chunked: true });
  assert.is(chunked.headers['content-length'], undefined);
  assert.is(chunked.headers['transfer-encoding'], 'chunked');
  assert.is(chunked.digest, sha256(BLOB));
  const untilClose = await ask({ untilClose: true });
  assert.is(untilClose.headers['content-length'], undefined);
  assert.is(untilClose.headers['transfer-encoding'], undefined);
  assert.is(untilClose.digest, sha256(BLOB));
});

test('compresses unasked, flips a bit, changes its ETag', async () => {
  const packed = await ask({ gzip: true });
  assert.is(packed.headers['content-encoding'], 'gzip');
  assert.is(sha256(gunzipSync(packed.bytes)), sha256(BLOB));
  const flipped = await ask({ corrupt: 7 }, range('bytes=5-9'));
  assert.equal(
    [...flipped.bytes].map((byte, n) => byte ^ (BLOB[5 + n] ?? 0)),
    [0, 0, 1, 0, 0],
  );
  assert.is((await ask({ etag: 'b' })).headers.etag, '"b"');
  assert.is((await ask({ headers: { etag: null } })).headers.etag, undefined);
});

test('trickles, and keeps to a speed', async () => {
  const trickled = await ask({ trickle: { bytes: 25_000, everyMs: 50 } });
  assert.is(trickled.digest, sha256(BLOB));
  assert.ok(trickled.totalMs >= 140, `${trickled.totalMs} ms`);
  const slow = await ask({ bitsPerSecond: 4_000_000, trickle: { bytes: 10_000, everyMs: 0 } });
  assert.ok(slow.totalMs >= 150, `${slow.totalMs} ms`);
});

test('closes at once while a reply stalls', async () => {
  const startedMs = performance.now();
  let answer: ReturnType<typeof get>;
  {
    await using origin = await startOrigin({ blobs: { '/b': BLOB }, always: { stallAfterBytes: 10 } });
    const begun = new Promise<void>((resolve) => {
      answer = get(`${origin.url}/b`, { onPiece: () => resolve() });
    });
    await begun;
  }
  assert.is((await answer!).complete, false);
  assert.ok(performance.now() - startedMs < 30_000);
});

test('makes the same bytes of a virtual blob wherever they are entered', () => {
  const blob = virtualBlob(3_000_000, 'virtual');
  const whole = blobOf(3_000_000, 'virtual');
  assert.is(sha256(blob), sha256(whole));
  for (const [offset, length] of [
    [0, 1],
    [15, 2],
    [17, 1_048_577],
    [2_999_999, 1],
    [2_999_990, 100],
  ] as const) {
    assert.is(sha256(blob.at(offset, length)), sha256(whole.subarray(offset, offset + length)));
  }
  assert.is.not(sha256(blobOf(64, 1)), sha256(blobOf(64, 2)));
});

test.run();
