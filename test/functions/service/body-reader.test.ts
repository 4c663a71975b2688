import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { P2PError } from '../../../functions/protocol/errors.ts';
import { BodyReader } from '../../../functions/service/body-reader.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { rejects } from '../../support/rejects.ts';

const test = suite('functions/service/body-reader');

const BODY = blobOf(300, 'body');

/** A body as it goes over the wire in chunks of these sizes, after one another, the last as often as needed. */
function chunked(bytes: Uint8Array, sizes: readonly number[], trailers = ''): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const piece = bytes.subarray(at, at + (sizes[Math.min(turn, sizes.length - 1)] ?? 1));
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
    at += piece.length;
  }
  return Buffer.concat([...parts, Buffer.from(`0\r\n${trailers}\r\n`)]);
}

/** Has the pieces taken apart as a connection does: in place where there is room, else out of a copy. */
function fill(body: BodyReader, length: number, pieces: readonly Uint8Array[]) {
  const target = Buffer.alloc(length);
  let told = 0;
  body.fill(target, (bytes) => {
    told += bytes;
  });
  let state = body.flow();
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      assert.is(state, 'more', 'came after the end');
      const { window } = body;
      const bytes = window.length === 0 ? piece.length - at : Math.min(window.length, piece.length - at);
      const part = piece.subarray(at, at + bytes);
      if (window.length > 0) window.set(part);
      state = window.length > 0 ? body.filled(bytes) : body.flow(Uint8Array.from(part));
      at += bytes;
    }
  }
  return { target, told, state };
}

const split = (bytes: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size));

test('fills a target with either framing, wherever what comes is cut', () => {
  const trailers = 'Content-Digest: sha-256=:eA==:\r\nX-Other: a\r\n';
  for (const sizes of [[300], [1], [7, 100, 3], [16, 256, 1]]) {
    const wire = chunked(BODY, sizes, trailers);
    for (let cut = 0; cut <= wire.length; cut += 1) {
      const body = new BodyReader('it', undefined, wire.subarray(0, cut));
      const { target, told, state } = fill(body, BODY.length, [wire.subarray(cut)]);
      assert.is(state, 'ended');
      assert.is(told, BODY.length);
      assert.is(sha256(target), sha256(BODY));
      assert.equal(body.trailers, { 'content-digest': 'sha-256=:eA==:', 'x-other': 'a' });
    }
    const bytewise = fill(new BodyReader('it', undefined, wire.subarray(0, 0)), BODY.length, split(wire, 1));
    assert.is(bytewise.state, 'ended');
    assert.is(sha256(bytewise.target), sha256(BODY));
  }
  for (let cut = 0; cut <= BODY.length; cut += 1) {
    const body = new BodyReader('it', BODY.length, BODY.subarray(0, cut));
    const { target, state } = fill(body, BODY.length, [BODY.subarray(cut)]);
    assert.is(state, 'ended');
    assert.is(sha256(target), sha256(BODY));
  }
});

test('hands a body to a sink in order, and waits while that is busy', async () => {
  for (const [length, wire] of [
    [undefined, chunked(BODY, [1, 50, 9])],
    [BODY.length, BODY],
  ] as const) {
    for (const size of [1, 2, 33, wire.length]) {
      const body = new BodyReader('it', length, wire.subarray(0, 0));
      const seen: Buffer[] = [];
      let isBusy = false;
      body.read(async (piece) => {
        assert.not(isBusy, 'the sink was called while it was busy');
        isBusy = true;
        seen.push(Buffer.from(piece));
        await new Promise(setImmediate);
        isBusy = false;
      });
      let state = body.flow();
      for (const piece of split(wire, size)) {
        assert.is(state, 'more');
        let step = body.flow(piece);
        while (step instanceof Promise) {
          await step;
          step = body.flow();
        }
        state = step;
      }
      assert.is(state, 'ended');
      assert.is(sha256(Buffer.concat(seen)), sha256(BODY));
    }
  }
});

test('takes sizes with leading zeros, in either case, and passes over extensions', () => {
  for (const size of ['a', 'A', '00000a', 'a;x', 'a \t;name="a;b"']) {
    const wire = Buffer.from(`${size}\r\n0123456789\r\n0;last\r\n\r\n`);
    assert.is(fill(new BodyReader('it', undefined, wire), 10, []).target.toString(), '0123456789');
  }
});

test('breaks a body whose framing is wrong, at once', async () => {
  const wrong = {
    'no size': '\r\n0123456789\r\n0\r\n\r\n',
    'no number': 'x\r\n0123456789\r\n0\r\n\r\n',
    'a negative size': '-a\r\n0123456789\r\n0\r\n\r\n',
    'a prefix': '0xa\r\n0123456789\r\n0\r\n\r\n',
    'a sign': '+a\r\n0123456789\r\n0\r\n\r\n',
    'space before it': ' a\r\n0123456789\r\n0\r\n\r\n',
    'space behind it': 'a \r\n0123456789\r\n0\r\n\r\n',
    'a size beyond all numbers': 'fffffffffffff\r\n0123456789',
    'a line feed alone behind it': 'a\n0123456789\r\n0\r\n\r\n',
    'a carriage return within': 'a\r;\r\n0123456789\r\n0\r\n\r\n',
    'a chunk with more than its size': '9\r\n0123456789\r\n0\r\n\r\n',
    'a chunk with less': 'a\r\n012345678\r\n0\r\n\r\n',
    'no end of a chunk': 'a\r\n01234567890\r\n\r\n',
    'a line feed alone behind a chunk': 'a\r\n0123456789\n0\r\n\r\n',
    'a malformed trailer': 'a\r\n0123456789\r\n0\r\nno colon\r\n\r\n',
    'a folded trailer': 'a\r\n0123456789\r\n0\r\na: b\r\n c\r\n\r\n',
    'a line feed alone in trailers': 'a\r\n0123456789\r\n0\r\na: b\n\r\n',
    'a line of a size without end': `a;${'x'.repeat(300)}`,
    'a trailer without end': `a\r\n0123456789\r\n0\r\na: ${'x'.repeat(5000)}`,
    'trailers without end': `a\r\n0123456789\r\n0\r\n${'a: b\r\n'.repeat(1000)}`,
  };
  for (const [what, text] of Object.entries(wrong)) {
    const wire = Buffer.from(text);
    for (const size of [1, wire.length]) {
      const breaks = async () =>
        fill(new BodyReader('it', undefined, Buffer.alloc(0)), 10, split(wire, size));
      const error = await breaks().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      assert.instance(error, P2PError, what);
      // Of a chunk that is larger than what was asked for, what is too much may be seen first.
      assert.match((error as P2PError).code, /^UPSTREAM_(?:TRUNCATED|MISMATCHED)$/, what);
    }
  }
});

test('breaks a body that is longer or shorter than its target, and what comes behind the end', async () => {
  const filling = async (length: number | undefined, wire: Buffer, target: number) =>
    fill(new BodyReader('it', length, wire), target, []);
  const wire = chunked(BODY, [100]);
  await rejects('UPSTREAM_MISMATCHED', filling(undefined, wire, BODY.length - 1));
  await rejects('UPSTREAM_TRUNCATED', filling(undefined, wire, BODY.length + 1));
  await rejects(
    'UPSTREAM_MISMATCHED',
    filling(undefined, Buffer.concat([wire, Buffer.from('x')]), BODY.length),
  );
  await rejects('UPSTREAM_MISMATCHED', filling(5, Buffer.from('123456'), 5));
  await rejects('UPSTREAM_TRUNCATED', filling(undefined, Buffer.from('0\r\n\r\n'), 1));
  assert.is((await filling(undefined, Buffer.from('0\r\n\r\n'), 0)).state, 'ended');
  assert.is((await filling(0, Buffer.alloc(0), 0)).state, 'ended');
});

test('gives no more room than the target has, whatever a chunk says, and takes framing out of what was read there', async () => {
  const body = new BodyReader('it', undefined, Buffer.from('ffffffff\r\n'));
  body.fill(Buffer.alloc(10), () => {});
  body.flow();
  assert.is(body.window.length, 10);
  body.filled(10);
  assert.is(body.window.length, 0);
  assert.throws(() => body.flow(Buffer.from('x')), /more bytes than announced/);

  const large = blobOf(200_000, 'large');
  const wire = chunked(large, [1, 5_000, 70_000], 'a: b\r\n');
  for (const size of [1_000, 33_333, wire.length]) {
    const inPlace = new BodyReader('it', undefined, Buffer.alloc(0));
    assert.is(sha256(fill(inPlace, large.length, split(wire, size)).target), sha256(large));
    assert.equal(inPlace.trailers, { a: 'b' });
    const roomy = async () =>
      fill(new BodyReader('it', undefined, Buffer.alloc(0)), 300_000, split(wire, size));
    await rejects('UPSTREAM_TRUNCATED', roomy());
  }
  const behind = new BodyReader('it', undefined, Buffer.alloc(0));
  behind.fill(Buffer.alloc(100_000), () => {});
  behind.window.set(Buffer.from('1\r\nx\r\n0\r\n\r\nx'));
  assert.throws(() => behind.filled(14), /more bytes than announced/);
});

test.run();
