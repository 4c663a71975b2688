import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BlobFacts } from '../../../functions/blob/facts.ts';
import { parseRange } from '../../../functions/protocol/range.ts';
import { planReply, type ReplyPlan } from '../../../functions/service/reply-plan.ts';
import { blobOf } from '../../support/blob-of.ts';
import { throws } from '../../support/rejects.ts';
import { plainFacts } from '../../support/samples.ts';
import { pickFrom, seeded } from '../../support/seeded.ts';

const test = suite('functions/service/reply-plan');

const factsOf = (size: number, headers = {}): BlobFacts => ({ ...plainFacts(), size, headers });
const plan = (size: number, range?: string) => planReply(factsOf(size), parseRange(range));

/** The body that a plan describes. */
const bodyOf = ({ parts, trailer }: ReplyPlan, bytes: Buffer): Buffer =>
  Buffer.concat([
    ...parts.flatMap(({ preamble, span }) => [
      Buffer.from(preamble, 'latin1'),
      bytes.subarray(span.start, span.end),
    ]),
    Buffer.from(trailer),
  ]);

test('plans the whole blob where no range is asked', () => {
  const { status, headers, parts, length } = plan(10);
  assert.is(status, 200);
  assert.equal(headers, { 'content-length': '10', 'accept-ranges': 'bytes' });
  assert.equal(parts, [{ preamble: '', span: { start: 0, end: 10 } }]);
  assert.is(length, 10);
});

test('plans an empty body for an empty blob, ranges or not', () => {
  for (const range of [undefined, 'bytes=0-', 'bytes=-5', 'bytes=0-0']) {
    const { status, parts, length } = plan(0, range);
    assert.is(status, 200);
    assert.equal(parts, []);
    assert.is(length, 0);
  }
});

for (const [range, contentRange] of [
  ['bytes=0-0', 'bytes 0-0/10'],
  ['bytes=3-', 'bytes 3-9/10'],
  ['bytes=3-99', 'bytes 3-9/10'],
  ['bytes=9-9', 'bytes 9-9/10'],
  ['bytes=-1', 'bytes 9-9/10'],
  ['bytes=-99', 'bytes 0-9/10'],
  ['bytes=20-30, 1-2', 'bytes 1-2/10'],
] as const) {
  test(`answers ${range} of 10 bytes by ${contentRange}`, () => {
    const { status, headers, length } = plan(10, range);
    assert.is(status, 206);
    assert.is(headers['content-range'], contentRange);
    assert.is(headers['content-length'], String(length));
  });
}

for (const range of ['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99-100,-0']) {
  test(`refuses ${range} of 10 bytes and says how many there are`, () => {
    const error = throws('RANGE_UNSATISFIABLE', () => plan(10, range));
    assert.is(error.headers['Content-Range'], 'bytes */10');
  });
}

for (const range of ['bytes=0-5,5-9', 'bytes=4-,-8', 'bytes=0-0,0-0', 'bytes=0-9,3-4', 'bytes=7-8,0-3,2-4']) {
  test(`answers ranges that overlap by the whole: ${range}`, () => {
    assert.is(plan(10, range).status, 200);
  });
}

for (const range of ['bytes=0-4,5-9', 'bytes=5-9,0-4', 'bytes=0-0,9-9', 'bytes=-1,0-0']) {
  test(`answers ranges that do not overlap by their parts, in the order asked: ${range}`, () => {
    const { status, parts } = plan(10, range);
    assert.is(status, 206);
    const asked = range
      .slice('bytes='.length)
      .split(',')
      .map((item) => (item === '-1' ? 9 : Number(item.split('-')[0])));
    assert.equal(
      parts.map(({ span }) => span.start),
      asked,
    );
  });
}

test('repeats the media type in each part, and none where the blob has none', () => {
  const facts = factsOf(10, { 'content-type': 'text/plain; charset="é"' });
  for (const { preamble } of planReply(facts, parseRange('bytes=0-1,4-5')).parts) {
    assert.match(preamble, 'Content-Type: text/plain; charset="é"\r\n');
  }
  assert.not.match(plan(10, 'bytes=0-1,4-5').parts[0]?.preamble ?? '', /content-type/i);
});

test('makes up a boundary that nobody can guess', () => {
  const boundaries = Array.from({ length: 20 }, () => plan(10, 'bytes=0-1,4-5').headers['content-type']);
  assert.is(new Set(boundaries).size, 20);
});

/** Which bytes of the blob each item of a Range header names, found byte by byte. */
function naive(size: number, header: string): number[][] {
  const all = Array.from({ length: size }, (_, at) => at);
  return header
    .slice('bytes='.length)
    .split(',')
    .map((item) => {
      const [first = '', last = ''] = item.trim().split('-');
      if (first === '') return all.filter((at) => at >= size - Number(last));
      return all.filter((at) => at >= Number(first) && (last === '' || at <= Number(last)));
    })
    .filter((found) => found.length > 0);
}

/** Takes a multipart/byteranges body apart as a client does (RFC 2046 §5.1). */
function parseMultipart(body: string, type: string): { contentRange: string; bytes: string }[] {
  const boundary = /boundary=(\S+)$/.exec(type)?.[1];
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`);
  assert.is(pieces.shift(), '');
  assert.is(pieces.pop(), '--\r\n');
  return pieces.map((piece) => {
    const end = piece.indexOf('\r\n\r\n');
    const contentRange = /Content-Range: (.*)/.exec(piece.slice(0, end))?.[1] ?? '';
    return { contentRange, bytes: piece.slice(end + 4) };
  });
}

test('plans the bytes that a naive reading of the header finds, for many headers', () => {
  const random = seeded('reply plan');
  const below = (n: number) => Math.floor(random() * n);
  let multiparts = 0;
  for (let round = 0; round < 3000; round += 1) {
    const size = pickFrom(random, [1, 7, 64, 500]);
    const bytes = blobOf(size, round);
    const items = Array.from({ length: 1 + below(4) }, () => {
      const first = below(size + 3);
      return pickFrom(random, [`${first}-`, `-${below(size + 3)}`, `${first}-${first + below(6)}`]);
    });
    const header = `bytes=${items.join(pickFrom(random, [',', ', ']))}`;
    const wanted = naive(size, header);
    if (wanted.length === 0) {
      throws('RANGE_UNSATISFIABLE', () => plan(size, header));
      continue;
    }
    const got = plan(size, header);
    const body = bodyOf(got, bytes);
    assert.is(body.length, got.length);
    assert.is(got.headers['content-length'], String(got.length));
    const total = wanted.reduce((sum, found) => sum + found.length, 0);
    const overlaps = new Set(wanted.flat()).size < total;
    if (overlaps) {
      assert.is(got.status, 200, header);
      assert.ok(body.equals(bytes));
    } else if (wanted.length === 1) {
      assert.is(got.status, 206, header);
      assert.ok(body.equals(Buffer.from((wanted[0] ?? []).map((at) => bytes[at] ?? 0))), header);
    } else {
      multiparts += 1;
      assert.is(got.status, 206, header);
      const parts = parseMultipart(body.toString('latin1'), String(got.headers['content-type']));
      assert.equal(
        parts.map((part) => [part.contentRange, part.bytes]),
        wanted.map((found) => [
          `bytes ${found[0]}-${found.at(-1)}/${size}`,
          Buffer.from(found.map((at) => bytes[at] ?? 0)).toString('latin1'),
        ]),
        header,
      );
    }
  }
  assert.ok(multiparts > 100);
});

test.run();
