import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get, type WholeAnswer } from '../support/client.ts';
import { eachCase } from '../support/each-case.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { type Pair, startPair, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';

const NAME = 'system/ranges';
const test = suite(NAME);
const real = need(test, NAME, 'nginx');

const CHUNK = 64 * 1024;
const SIZE = 5 * CHUNK + 1000;
const blob = blobOf(SIZE, 'ranges');

// Of SIZE bytes in chunks of 64 KiB, half-open.
const RANGES: Readonly<Record<string, readonly [header: string, start: number, end: number]>> = {
  'the first byte': ['bytes=0-0', 0, 1],
  'the last byte': [`bytes=${SIZE - 1}-${SIZE - 1}`, SIZE - 1, SIZE],
  'the last bytes': ['bytes=-10', SIZE - 10, SIZE],
  'a suffix longer than the blob': [`bytes=-${2 * SIZE}`, 0, SIZE],
  'an open end': [`bytes=${SIZE - 1500}-`, SIZE - 1500, SIZE],
  'an end beyond the blob': [`bytes=${SIZE - 5}-${SIZE + 100}`, SIZE - 5, SIZE],
  'the whole, as a range': [`bytes=0-${SIZE - 1}`, 0, SIZE],
  'exactly one chunk': [`bytes=${CHUNK}-${2 * CHUNK - 1}`, CHUNK, 2 * CHUNK],
  'across one border': [`bytes=${CHUNK - 1}-${CHUNK}`, CHUNK - 1, CHUNK + 1],
  'across all borders': [`bytes=1-${SIZE - 2}`, 1, SIZE - 1],
  'up to a border': [`bytes=100-${CHUNK - 1}`, 100, CHUNK],
  'from a border': [`bytes=${3 * CHUNK}-${3 * CHUNK + 9}`, 3 * CHUNK, 3 * CHUNK + 10],
};

interface Network extends AsyncDisposable {
  readonly nginx: Nginx;
  readonly pair: Pair;
}

const network = shared<Network>(test, async () => {
  const nginx = await startNginx();
  const pair = await startPair({ origins: [nginx.url] });
  return {
    nginx,
    pair,
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]();
      await nginx[Symbol.asyncDispose]();
    },
  };
});

function samePart(answer: WholeAnswer, start: number, end: number): void {
  assert.is(answer.status, 206);
  assert.is(answer.headers['content-range'], `bytes ${start}-${end - 1}/${SIZE}`);
  assert.is(answer.headers['content-length'], String(end - start));
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(blob.subarray(start, end)));
}

real('serves every range of what nginx has, cold and warm, as nginx would', async () => {
  const { nginx, pair } = await network();
  await eachCase(RANGES, async ([range, start, end], name) => {
    // A file of its own for each, so that each is cold once.
    const url = await nginx.put(`range/${name}`, blob);
    for (const _ of ['cold', 'warm']) {
      samePart(await get(through(pair.agent, url), { headers: { range } }), start, end);
    }
    // nginx shortens a suffix longer than the file as well.
    samePart(await get(url, { headers: { range } }), start, end);
  });
});

real('serves the whole, and answers HEAD with the same head, without a body', async () => {
  const { nginx, pair } = await network();
  const url = await nginx.put('whole', blob);
  const before = await get(through(pair.agent, url), { method: 'HEAD' });
  const whole = await get(through(pair.agent, url));
  const after = await get(through(pair.agent, url), { method: 'HEAD' });
  assert.is(whole.status, 200);
  assert.is(whole.digest, sha256(blob));
  for (const head of [before, after]) {
    assert.is(head.status, 200);
    assert.is(head.size, 0);
    for (const name of ['content-length', 'content-type', 'etag', 'last-modified', 'accept-ranges']) {
      assert.is(head.headers[name], whole.headers[name], name);
    }
  }
  assert.is(whole.headers['content-length'], String(SIZE));
  assert.is(whole.headers['accept-ranges'], 'bytes');
  const direct = await get(url, { method: 'HEAD' });
  assert.is(whole.headers.etag, direct.headers.etag);
  assert.is(whole.headers['last-modified'], direct.headers['last-modified']);
});

real('answers 416 with the size to ranges that begin beyond the end', async () => {
  const { nginx, pair } = await network();
  const ranges = { 'at the end': `bytes=${SIZE}-`, 'far beyond': `bytes=${9 * SIZE}-${9 * SIZE + 1}` };
  await eachCase(ranges, async (range, name) => {
    const url = await nginx.put(`416/${name}`, blob);
    for (const _ of ['cold', 'warm']) {
      const answer = await get(through(pair.agent, url), { headers: { range } });
      assert.is(answer.status, 416);
      assert.is(answer.headers['content-range'], `bytes */${SIZE}`);
      assert.is(answer.complete, true);
    }
    assert.is((await get(through(pair.agent, url))).digest, sha256(blob));
  });
});

real('answers several ranges with multipart/byteranges in the order asked', async () => {
  const { nginx, pair } = await network();
  const url = through(pair.agent, await nginx.put('parts', blob));
  const spans = [
    [3 * CHUNK - 5, 3 * CHUNK + 5],
    [0, 1],
    [SIZE - 100, SIZE],
    [CHUNK, 2 * CHUNK],
  ] as const;
  const asked = `bytes=${spans[0][0]}-${spans[0][1] - 1}, 0-0, -100, ${CHUNK}-${2 * CHUNK - 1}`;
  const answer = await get(url, { headers: { range: asked } });
  assert.is(answer.status, 206);
  assert.is(answer.headers['content-range'], undefined);
  assert.is(answer.headers['content-length'], String(answer.size));
  const parts = partsOf(answer);
  assert.equal(
    parts.map(({ range }) => range),
    spans.map(([start, end]) => `bytes ${start}-${end - 1}/${SIZE}`),
  );
  assert.equal(
    parts.map(({ bytes }) => sha256(bytes)),
    spans.map(([start, end]) => sha256(blob.subarray(start, end))),
  );
  // Of several, one that lies within makes the reply a plain 206.
  const one = await get(url, { headers: { range: `bytes=${SIZE}-,5-9` } });
  samePart(one, 5, 10);
  // Ranges that overlap are answered by the whole, and so is a range that makes no sense (RFC 9110 §14.2).
  for (const range of ['bytes=0-9,5-14', 'bytes=9-5', 'lines=1-2']) {
    const whole = await get(url, { headers: { range } });
    assert.is(whole.status, 200, range);
    assert.is(whole.digest, sha256(blob), range);
  }
});

real('keeps to what conditional requests ask, as nginx does', async () => {
  const { nginx, pair } = await network();
  const url = await nginx.put('conditional', blob);
  const { headers } = await get(url, { method: 'HEAD' });
  const etag = String(headers.etag);
  const date = String(headers['last-modified']);
  const past = 'Wed, 01 Jan 2020 00:00:00 GMT';
  const cases: Readonly<Record<string, readonly [asked: Record<string, string>, status: number]>> = {
    'If-None-Match, same': [{ 'if-none-match': etag }, 304],
    'If-None-Match, in a list': [{ 'if-none-match': `"x", ${etag}` }, 304],
    'If-None-Match, other': [{ 'if-none-match': '"x"' }, 200],
    'If-None-Match wins over the date': [{ 'if-none-match': '"x"', 'if-modified-since': date }, 200],
    'If-Modified-Since, same': [{ 'if-modified-since': date }, 304],
    'If-Modified-Since, older': [{ 'if-modified-since': past }, 200],
    'If-Match, same': [{ 'if-match': etag }, 200],
    'If-Match, any': [{ 'if-match': '*' }, 200],
    'If-Match, other': [{ 'if-match': '"x"' }, 412],
    'If-Unmodified-Since, older': [{ 'if-unmodified-since': past }, 412],
    'If-Unmodified-Since, same': [{ 'if-unmodified-since': date }, 200],
    'If-Range, same': [{ range: 'bytes=5-9', 'if-range': etag }, 206],
    'If-Range, other': [{ range: 'bytes=5-9', 'if-range': '"x"' }, 200],
    'If-Range, weak': [{ range: 'bytes=5-9', 'if-range': `W/${etag}` }, 200],
    'If-Range, older date': [{ range: 'bytes=5-9', 'if-range': past }, 200],
  };
  const wanted: Readonly<Record<number, string>> = {
    200: sha256(blob),
    206: sha256(blob.subarray(5, 10)),
    304: sha256(Buffer.alloc(0)),
  };
  for (const state of ['cold', 'warm']) {
    await eachCase(cases, async ([asked, status], name) => {
      // Written again, the one that is warm would be another version.
      const own = state === 'cold' ? await nginx.put(`conditions/${name}`, blob) : url;
      // A file written now has a date of now; what is asked for is that file's own.
      const now = (await get(own, { method: 'HEAD' })).headers;
      const exact = Object.fromEntries(
        Object.entries(asked).map(([key, value]) => [
          key,
          value.replaceAll(etag, String(now.etag)).replaceAll(date, String(now['last-modified'])),
        ]),
      );
      const answer = await get(through(pair.agent, own), { headers: exact });
      assert.is(answer.status, status, state);
      assert.is(answer.complete, true);
      if (status !== 412) assert.is(answer.digest, wanted[status]);
      if (status === 304) assert.is(answer.headers.etag, now.etag);
    });
  }
});

real('serves blobs of no byte, one byte, one chunk, and a byte to either side', async () => {
  const { nginx, pair } = await network();
  const sizes = {
    empty: 0,
    'one byte': 1,
    'a chunk less one': CHUNK - 1,
    'one chunk': CHUNK,
    more: CHUNK + 1,
  };
  await eachCase(sizes, async (size, name) => {
    const bytes = blobOf(size, name);
    // Under a digest and under a plain name: they take different ways in the reader.
    for (const file of [`sizes/${name}`, `blobs/sha256:${sha256(bytes)}`]) {
      const url = through(pair.agent, await nginx.put(file, bytes));
      for (const state of ['cold', 'warm']) {
        const answer = await get(url);
        assert.is(answer.status, 200, `${file} ${state}`);
        assert.is(answer.complete, true, `${file} ${state}`);
        assert.is(answer.headers['content-length'], String(size), `${file} ${state}`);
        assert.is(answer.digest, sha256(bytes), `${file} ${state}`);
      }
      const beyond = await get(url, { headers: { range: `bytes=${size}-` } });
      // Of an empty blob the range is ignored (RFC 9110 §14.2): its whole is not less.
      assert.is(beyond.status, size === 0 ? 200 : 416, file);
      if (size > 0) assert.is(beyond.headers['content-range'], `bytes */${size}`, file);
      if (size === 0) assert.is(beyond.headers['content-length'], '0', file);
      const head = await get(url, { method: 'HEAD' });
      assert.is(head.headers['content-length'], String(size), file);
    }
  });
});

real('serves right bytes where agent and root cut blobs into chunks of other sizes', async () => {
  await using nginx = await startNginx();
  await using pair = await startPair({
    origins: [nginx.url],
    root: { P2PConfig: { CacheConfig: { ChunkSize: '256KiB' } } },
  });
  await eachCase(RANGES, async ([range, start, end], name) => {
    const url = await nginx.put(`other/${name}`, blob);
    samePart(await get(through(pair.agent, url), { headers: { range } }), start, end);
    assert.is((await get(through(pair.agent, url))).digest, sha256(blob));
  });
});

interface BodyPart {
  readonly range: string | undefined;
  readonly type: string | undefined;
  readonly bytes: Buffer;
}

/** Takes a multipart/byteranges body apart (RFC 9110 §14.6), by the boundary alone. */
function partsOf(answer: WholeAnswer): BodyPart[] {
  const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(answer.headers['content-type'] ?? '')?.[1];
  assert.ok(boundary, `Content-Type ${answer.headers['content-type']}`);
  const text = answer.bytes.toString('latin1');
  const pieces = text.split(`--${boundary}`);
  assert.is(pieces.shift(), '', 'nothing comes before the first boundary');
  assert.is(pieces.pop(), '--\r\n', 'the last boundary ends the body');
  return pieces.map((piece) => {
    const headEnd = piece.indexOf('\r\n\r\n');
    const head = piece.slice(0, headEnd);
    return {
      range: /^Content-Range: (.+)$/im.exec(head)?.[1],
      type: /^Content-Type: (.+)$/im.exec(head)?.[1],
      bytes: Buffer.from(piece.slice(headEnd + 4, -2), 'latin1'),
    };
  });
}

test.run();
