import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readAnswer } from '../../../functions/blob/answer.ts';
import type { Reply } from '../../../functions/blob/upstream.ts';
import type { HeaderLines } from '../../../functions/protocol/errors.ts';
import { rejects } from '../../support/rejects.ts';

const test = suite('functions/blob/answer');

const ORIGIN = { name: 'x', kind: 'origin' } as const;
const ROOT = { name: 'root', kind: 'root' } as const;

interface Scripted extends Reply {
  readonly spent: () => boolean;
}

/** A reply as an upstream would hand it over. */
function replyOf(status: number, headers: HeaderLines = {}, ...pieces: Uint8Array[]): Scripted {
  let spent = false;
  return {
    status,
    headers,
    spent: () => spent,
    body: {
      async read(sink) {
        spent = true;
        for (const piece of pieces) await sink(piece);
      },
      discard() {
        spent = true;
      },
    },
  };
}

const PART = { 'content-range': 'bytes 5-9/100', 'content-length': '5' };

test('reads a part, a whole, "unchanged" and "beyond"', async () => {
  assert.equal(await readAnswer(replyOf(206, PART), ORIGIN), {
    kind: 'part',
    span: { start: 5, end: 10 },
    size: 100,
  });
  assert.equal(await readAnswer(replyOf(206, { 'content-range': 'bytes 0-0/1' }), ORIGIN), {
    kind: 'part',
    span: { start: 0, end: 1 },
    size: 1,
  });
  assert.equal(await readAnswer(replyOf(200, { 'content-length': '7' }), ORIGIN), { kind: 'whole', size: 7 });
  assert.equal(await readAnswer(replyOf(200), ORIGIN), { kind: 'whole', size: undefined });
  assert.equal(await readAnswer(replyOf(304), ORIGIN), { kind: 'unchanged' });
  assert.equal(await readAnswer(replyOf(416, { 'content-range': 'bytes */9' }), ORIGIN), { kind: 'beyond' });
});

test('leaves the body to be read where there is one, and spends it where not', async () => {
  for (const [reply, spent] of [
    [replyOf(206, PART), false],
    [replyOf(200), false],
    [replyOf(304), true],
    [replyOf(416), true],
  ] as const) {
    await readAnswer(reply, ORIGIN);
    assert.is(reply.spent(), spent, String(reply.status));
  }
});

for (const headers of [
  {},
  { 'content-range': 'bytes 5-9/*' },
  { 'content-range': 'bytes */100' },
  { 'content-range': 'bytes 9-5/100' },
  { 'content-range': 'bytes 5-100/100' },
  { 'content-range': 'pages 5-9/100' },
  { 'content-range': 'bytes 5-9/100', 'content-length': '6' },
  { 'content-range': 'bytes 5-9/100', 'content-length': '4' },
] as HeaderLines[]) {
  test(`does not take a 206 with ${JSON.stringify(headers)} for a part`, async () => {
    const reply = replyOf(206, headers);
    await rejects('UPSTREAM_MISMATCHED', readAnswer(reply, ORIGIN));
    assert.ok(reply.spent());
  });
}

for (const status of [400, 401, 403, 404, 407, 410, 429, 451]) {
  test(`makes of ${status} a refusal with its headers and body, connection headers left out`, async () => {
    const headers = {
      'www-authenticate': ['a', 'b'],
      'retry-after': '3',
      'content-length': '4',
      connection: 'x-hop',
      'x-hop': '1',
    };
    const reply = replyOf(status, headers, Buffer.from('no'), Buffer.from('pe'));
    const error = await rejects('UPSTREAM_REFUSED', readAnswer(reply, ORIGIN));
    assert.is(error.status, status);
    assert.equal(error.headers, { 'www-authenticate': ['a', 'b'], 'retry-after': '3' });
    assert.is(Buffer.from(error.body ?? []).toString(), 'nope');
  });
}

test('keeps no more than 64 KiB of a refusal, as it was when it came', async () => {
  const piece = Buffer.alloc(50_000, 'a');
  const reply = replyOf(404, {}, piece, piece, piece);
  const error = await rejects('UPSTREAM_REFUSED', readAnswer(reply, ORIGIN));
  piece.fill('b');
  assert.is(error.body?.length, 64 * 1024);
  assert.ok(error.body?.every((byte) => byte === 'a'.charCodeAt(0)));
});

for (const status of [201, 204, 302, 307, 408, 500, 502, 503, 504, 508]) {
  test(`makes of ${status} a reason to ask elsewhere`, async () => {
    const reply = replyOf(status);
    await rejects('UPSTREAM_FAILED', readAnswer(reply, ORIGIN));
    assert.ok(reply.spent());
  });
}

for (const [status, code, made] of [
  [413, 'REPLY_TOO_LARGE', 'UPSTREAM_FAILED'],
  [403, 'KEY_REFUSED', 'UPSTREAM_FAILED'],
  [400, 'ADDRESS_INVALID', 'UPSTREAM_FAILED'],
  [502, 'UPSTREAMS_EXHAUSTED', 'UPSTREAM_FAILED'],
  [508, 'LOOP_DETECTED', 'LOOP_DETECTED'],
  [403, 'ORIGIN_NOT_ALLOWED', 'ORIGIN_NOT_ALLOWED'],
  [403, 'RULE_DENIED', 'RULE_DENIED'],
] as const) {
  test(`does not take a node's own ${code} for the origin's word`, async () => {
    // A root that could not fit a reply, or had another key, ended the request with an origin left to ask.
    const reply = replyOf(status, { 'x-p2p-error': code }, Buffer.from('why'));
    const error = await rejects(made, readAnswer(reply, ROOT));
    const isFinal = error.retry === 'never';
    assert.is(isFinal, status === 403 && code !== 'KEY_REFUSED');
    // What to change is for people to read.
    assert.is(error.body && Buffer.from(error.body).toString(), isFinal ? 'why' : undefined);
    assert.ok(reply.spent());
  });
}

test('takes what a node passes on for the word of the origin', async () => {
  for (const status of [401, 404, 429]) {
    const error = await rejects('UPSTREAM_REFUSED', readAnswer(replyOf(status), ROOT));
    assert.is(error.status, status);
  }
  const beyond = replyOf(416, { 'x-p2p-error': 'RANGE_UNSATISFIABLE' });
  assert.equal(await readAnswer(beyond, ROOT), { kind: 'beyond' });
});

test.run();
