import { readSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KiB, MiB } from '../../../functions/blob/chunk.ts';
import type { FileExtent } from '../../../functions/blob/disk/file-extent.ts';
import { FolderStore } from '../../../functions/blob/disk/folder.ts';
import type { BlobFacts } from '../../../functions/blob/facts.ts';
import { FilePiece } from '../../../functions/blob/file-piece.ts';
import type { LookAhead } from '../../../functions/blob/look-ahead.ts';
import { MemoryStore } from '../../../functions/blob/memory.ts';
import { chunkPath } from '../../../functions/blob/path.ts';
import type { Extent } from '../../../functions/blob/store.ts';
import { TieredStore } from '../../../functions/blob/tiered.ts';
import type { P2PError } from '../../../functions/protocol/errors.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { FlawedStore } from '../../support/flawed-store.ts';
import { gate } from '../../support/gate.ts';
import { startOrigin } from '../../support/origin.ts';
import { CHUNK, digestPath, openReader, readBroken, readSpan } from '../../support/reader.ts';
import { rejects } from '../../support/rejects.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { PATIENCE_MS, until } from '../../support/until.ts';

const test = suite('functions/blob/blob');

const same = (got: Uint8Array, wanted: Uint8Array) => {
  assert.is(got.length, wanted.length);
  assert.is(sha256(got), sha256(wanted));
};

test('gives the first bytes on while their chunk is still coming', async () => {
  await using origin = await startOrigin();
  const held = gate();
  const bytes = blobOf(MiB, 'cut-through');
  const url = origin.route('/blob', async (_, response) => {
    response.writeHead(206, {
      etag: '"x"',
      'content-length': MiB,
      'content-range': `bytes 0-${MiB - 1}/${MiB}`,
    });
    response.write(bytes.subarray(0, 1000));
    await held.opened;
    response.end(bytes.subarray(1000));
  });
  await using kit = openReader({ chunkBytes: MiB });
  const blob = await kit.open(url);
  const pieces = blob.read({ start: 0, end: MiB }, AbortSignal.timeout(PATIENCE_MS));
  const first = (await pieces.next()).value as Uint8Array;
  assert.ok(first.length <= 1000);
  held.open();
  const rest: Buffer[] = [Buffer.from(first)];
  for await (const piece of pieces) rest.push(Buffer.from(piece));
  same(Buffer.concat(rest), bytes);
});

test('gives on a small range of a cold chunk before the chunk is whole', async () => {
  await using origin = await startOrigin();
  const bytes = blobOf(4 * MiB, 'small range');
  const url = origin.put('/blob', bytes);
  origin.always = { stallAfterBytes: 20_000 };
  await using kit = openReader({ chunkBytes: MiB });
  const span = { start: MiB + 10_000, end: MiB + 20_000 };
  same(await kit.read(url, span), bytes.subarray(span.start, span.end));
  assert.is(origin.hits[0]?.finished, false);
});

test('lets a second reader have what has come of a chunk that the first waits for', async () => {
  await using origin = await startOrigin();
  const bytes = blobOf(2 * MiB, 'joined');
  const url = origin.put('/blob', bytes);
  origin.always = { stallAfterBytes: 50_000 };
  await using kit = openReader({ chunkBytes: MiB });
  same(await kit.read(url, { start: 0, end: 40_000 }), bytes.subarray(0, 40_000));
  same(await kit.read(url, { start: 10_000, end: 50_000 }), bytes.subarray(10_000, 50_000));
  assert.is(origin.hits.length, 1);
});

test('goes on for the others when one reader leaves', async () => {
  await using origin = await startOrigin();
  const held = gate();
  const bytes = blobOf(MiB, 'leaves');
  const url = origin.route('/blob', async (_, response) => {
    response.writeHead(206, {
      etag: '"x"',
      'content-length': MiB,
      'content-range': `bytes 0-${MiB - 1}/${MiB}`,
    });
    response.write(bytes.subarray(0, 1000));
    await held.opened;
    response.end(bytes.subarray(1000));
  });
  await using kit = openReader({ chunkBytes: MiB });
  const leaving = new AbortController();
  const [gone, stays] = [await kit.open(url), await kit.open(url)];
  const broken = readSpan(gone, undefined, leaving.signal).catch((error: unknown) => error);
  const whole = readSpan(stays);
  leaving.abort(new Error('left'));
  assert.is(((await broken) as Error).message, 'left');
  held.open();
  same(await whole, bytes);
});

for (const size of [1, 32 * KiB, CHUNK - 1, CHUNK]) {
  test(`gives on nothing of the last 32 KiB of a blob of ${size} bytes in one chunk that is not what its digest says`, async () => {
    await using origin = await startOrigin();
    await using kit = openReader();
    const bytes = blobOf(size, 'mismatch');
    const url = origin.put(digestPath(sha256(blobOf(size, 'the truth'))), bytes);
    const broken = await readBroken(await kit.open(url));
    await rejects('DIGEST_MISMATCH', Promise.reject(broken.error));
    assert.ok(broken.bytes.length <= Math.max(0, size - 32 * KiB), `${broken.bytes.length} bytes came`);
  });
}

for (const size of [CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 40 * KiB]) {
  test(`never completes a blob of ${size} bytes that is not what its digest says, and fetches all of it anew next time`, async () => {
    await using origin = await startOrigin();
    const store = new MemoryStore({ maxBytes: 8 * MiB });
    await using kit = openReader({ store });
    const bytes = blobOf(size, 'truth');
    const path = digestPath(sha256(bytes));
    const url = origin.put(path, bytes);
    origin.always = { corrupt: 17 };
    const blob = await kit.open(url);
    const broken = await readBroken(blob);
    await rejects('DIGEST_MISMATCH', Promise.reject(broken.error));
    assert.ok(broken.bytes.length <= size - 32 * KiB, `${broken.bytes.length} bytes of ${size} came`);
    await kit.reader.settled();
    for (let index = 0; index * CHUNK < size; index += 1) {
      assert.is(await store.read({ key: blob.facts.key, chunkBytes: CHUNK, index }), undefined);
    }
    assert.ok(kit.told.failures.some(({ event }) => event === 'digest_mismatched'));

    origin.always = {};
    origin.forget();
    same(await kit.read(url), bytes);
    await kit.reader.settled();
    assert.is(origin.bytesSent, size);
    assert.is(origin.hits[0]?.headers['cache-control'], 'no-cache');
  });
}

test('does not take nothing at all for a blob whose digest is not that of nothing', async () => {
  // Broke: an empty reply has no chunk to check, so it counted as the whole blob and was kept for good.
  await using origin = await startOrigin();
  await using kit = openReader();
  const bytes = blobOf(1000, 'not nothing');
  const path = digestPath(sha256(bytes));
  const url = origin.put(path, new Uint8Array());
  await rejects('UPSTREAM_MISMATCHED', kit.read(url));
  origin.put(path, bytes);
  same(await kit.read(url), bytes);
});

test('takes nothing at all for the blob whose digest is that of nothing', async () => {
  await using origin = await startOrigin();
  await using kit = openReader();
  const url = origin.put(digestPath(sha256(new Uint8Array())), new Uint8Array());
  same(await kit.read(url), new Uint8Array());
});

test('breaks all who read a blob that proves wrong, and each of them short', async () => {
  await using origin = await startOrigin();
  await using kit = openReader();
  const bytes = blobOf(6 * CHUNK, 'many wrong');
  const url = origin.put(digestPath(sha256(bytes)), bytes);
  origin.always = { corrupt: 3 * CHUNK };
  const blobs = await Promise.all(Array.from({ length: 8 }, () => kit.open(url)));
  for (const broken of await Promise.all(blobs.map(readBroken))) {
    await rejects('DIGEST_MISMATCH', Promise.reject(broken.error));
    assert.ok(broken.bytes.length < bytes.length);
  }
});

test('proves a blob once for all who read it together, and seals it', async () => {
  await using origin = await startOrigin();
  const sealed: BlobFacts[] = [];
  const store = new (class extends MemoryStore {
    override async writeFacts(addressKey: string, facts: BlobFacts): Promise<void> {
      if (facts.sealed !== undefined) sealed.push(facts);
      await super.writeFacts(addressKey, facts);
    }
  })({ maxBytes: 8 * MiB });
  await using kit = openReader({ store });
  const bytes = blobOf(5 * CHUNK + 1, 'sealed');
  const url = origin.put(digestPath(sha256(bytes)), bytes);
  const reads = await Promise.all(Array.from({ length: 6 }, () => kit.read(url)));
  for (const read of reads) same(read, bytes);
  const sums = Array.from({ length: 6 }, (_, index) =>
    sha256(bytes.subarray(index * CHUNK, (index + 1) * CHUNK)),
  );
  assert.ok(sealed.length > 0);
  for (const seal of sealed) assert.equal(seal.sealed, sums);
  assert.equal((await kit.open(url)).facts.sealed, sums);
});

test('proves a blob although its readers start and stop anywhere', async () => {
  await using origin = await startOrigin();
  await using kit = openReader();
  const bytes = blobOf(6 * CHUNK, 'staggered');
  const url = origin.put(digestPath(sha256(bytes)), bytes);
  const first = (await kit.open(url)).read({ start: 0, end: bytes.length }, AbortSignal.timeout(PATIENCE_MS));
  await first.next();
  await first.next();
  same(await kit.read(url, { start: 4 * CHUNK, end: 5 * CHUNK }), bytes.subarray(4 * CHUNK, 5 * CHUNK));
  const second = kit.read(url);
  await first.return();
  same(await second, bytes);
  assert.ok((await kit.open(url)).facts.sealed);
});

test('does not serve a chunk that was exchanged for a sound one with other bytes once the blob is sealed', async () => {
  await using origin = await startOrigin();
  const store = new MemoryStore({ maxBytes: 8 * MiB });
  await using kit = openReader({ store });
  const bytes = blobOf(4 * CHUNK, 'swapped');
  const url = origin.put(digestPath(sha256(bytes)), bytes);
  same(await kit.read(url), bytes);
  await kit.reader.settled();
  const { facts } = await kit.open(url);
  const other = blobOf(CHUNK, 'other');
  await store.write({ key: facts.key, chunkBytes: CHUNK, index: 2 }, { bytes: other, sha256: sha256(other) });
  origin.forget();
  same(await kit.read(url), bytes);
  await kit.reader.settled();
  assert.is(origin.bytesSent, CHUNK);
  origin.forget();
  same(await kit.read(url), bytes);
  assert.is(origin.hits.length, 0);
});

test('never completes a sealed blob when a chunk that was lost comes back with other bytes, and does not keep them', async () => {
  await using origin = await startOrigin();
  const store = new MemoryStore({ maxBytes: 8 * MiB });
  await using kit = openReader({ store });
  const bytes = blobOf(4 * CHUNK, 'lost and wrong');
  const url = origin.put(digestPath(sha256(bytes)), bytes);
  same(await kit.read(url), bytes);
  await kit.reader.settled();
  const { facts } = await kit.open(url);
  for (let index = 0; index < 4; index += 1) {
    const wrong = blobOf(CHUNK, `wrong ${index}`);
    await store.write({ key: facts.key, chunkBytes: CHUNK, index }, { bytes: wrong, sha256: sha256(wrong) });
  }
  origin.always = { corrupt: 2 * CHUNK + 5 };
  const broken = await readBroken(await kit.open(url));
  // Which, depends on whether some of the chunk was read before all of it was there.
  assert.match((broken.error as P2PError).code, /^(?:CHUNK_CORRUPT|UPSTREAMS_EXHAUSTED)$/);
  assert.ok(broken.bytes.length < bytes.length);
  origin.always = {};
  same(await kit.read(url), bytes);
});

for (const tail of [1, 1000, 32 * KiB - 1, 32 * KiB, 32 * KiB + 1]) {
  test(`reads each chunk once although the ${tail} bytes of the last one end what is held back, and nothing is kept`, async () => {
    // Broke: a chunk verified before the tail was let go, so the part of it in the tail was fetched again.
    await using origin = await startOrigin();
    const memory = new MemoryStore({ maxBytes: 8 * MiB });
    // In order: what is fetched ahead is held by the store alone, and this one holds nothing.
    const lookAhead = { perRead: 0, total: 0 };
    await using kit = openReader({
      store: new FlawedStore(memory, { writes: true, reads: true }),
      lookAhead,
    });
    const bytes = blobOf(3 * CHUNK + tail, 'tail');
    const url = origin.put(digestPath(sha256(bytes)), bytes);
    same(await kit.read(url), bytes);
    await kit.reader.settled();
    assert.is(origin.bytesSent, bytes.length);
  });
}

test('stops with the reason of the signal while it waits for bytes', async () => {
  await using origin = await startOrigin();
  origin.always = { stallAfterBytes: 1000 };
  await using kit = openReader();
  const blob = await kit.open(origin.put('/blob', blobOf(2 * CHUNK, 'abort')));
  const leaving = new AbortController();
  const reading = readSpan(blob, undefined, leaving.signal).catch((error: unknown) => error);
  await until('the first bytes', () => origin.bytesSent >= 1000);
  leaving.abort(new Error('enough'));
  assert.is(((await reading) as Error).message, 'enough');
});

test('has a small range at once of a file that was opened, when the kernel has it in memory', async () => {
  await using origin = await startOrigin();
  await using dir = await tempDir();
  let hasIt = true;
  const pages = {
    read: (fd: number, offset: number, into: Uint8Array) =>
      hasIt && readSync(fd, into, 0, into.length, offset) === into.length,
  };
  const store = new TieredStore(
    new MemoryStore({ maxBytes: 1 }),
    await FolderStore.open(dir.path, 'folder', pages),
  );
  await using kit = openReader({ store, chunkBytes: MiB });
  const bytes = blobOf(3 * MiB, 'glance');
  const url = origin.put('/blob', bytes, { headers: { 'cache-control': 'max-age=60' } });
  await kit.read(url);
  await kit.reader.settled();
  const blob = await kit.open(url);
  const span = { start: MiB + 1000, end: MiB + 17_000 };
  assert.is(blob.glance(span), undefined);
  // The first reader has the file checked, the second has it opened.
  for (let reader = 1; reader <= 2; reader += 1)
    same(await readSpan(blob, span), bytes.subarray(span.start, span.end));
  const glance = blob.glance(span);
  same(glance?.bytes ?? Buffer.alloc(0), bytes.subarray(span.start, span.end));
  assert.is(blob.first?.from, 'folder');
  glance?.release();
  assert.is(blob.glance({ start: MiB - 10, end: MiB + 10 }), undefined);
  assert.is(blob.glance({ start: MiB, end: 2 * MiB }), undefined);
  hasIt = false;
  assert.is(blob.glance(span), undefined);
  same(await readSpan(blob, span), bytes.subarray(span.start, span.end));
});

const FILES = 7;

/** A blob of seven chunks, each in a file that was looked at, so that it can be lent. */
async function onDisk() {
  const origin = await startOrigin();
  const dir = await tempDir();
  const durable = await FolderStore.open(dir.path);
  const extent = durable.extent.bind(durable);
  let lent = 0;
  durable.extent = async (...args) => {
    const found = await extent(...args);
    return found && (counted(found, (change) => (lent += change)) as FileExtent);
  };
  const memory = new MemoryStore({ maxBytes: 64 * MiB });
  const kit = openReader({ store: new TieredStore(memory, durable), chunkBytes: MiB });
  const bytes = blobOf(FILES * MiB, 'files');
  const url = origin.put('/blob', bytes, { headers: { 'cache-control': 'max-age=60' } });
  await kit.read(url);
  await kit.reader.settled();
  const open = () => kit.open(url);
  const isLent = async () => {
    let files = 0;
    for await (const piece of (await open()).stream({ start: 0, end: bytes.length }, NEVER))
      if (piece instanceof FilePiece) {
        files += piece.next(piece.length).length;
        piece.sent = piece.length;
      }
    return files === FILES;
  };
  // Of a file that was not looked at yet the bytes come out of memory, and it is looked at for the next reader.
  await until('all files to have been looked at', isLent);
  return {
    origin,
    durable,
    bytes,
    open,
    /** Files that are not given back. */
    lent: () => lent,
    async [Symbol.asyncDispose]() {
      await kit[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

const NEVER = new AbortController().signal;

/** The same chunk, whose loans are told. */
const counted = (found: FileExtent, lent: (change: 1 | -1) => void): Extent => ({
  from: found.from,
  length: found.length,
  sha256: found.sha256,
  read: (offset, into) => found.read(offset, into),
  lend() {
    const file = found.lend();
    if (file === undefined) return undefined;
    lent(1);
    return {
      fd: file.fd,
      giveBack() {
        file.giveBack();
        lent(-1);
      },
    };
  },
});

/** Sends as much of a piece as is asked for. */
function send(piece: FilePiece, length: number): Buffer {
  const spans = piece.next(length).map((span) => {
    const into = Buffer.alloc(span.length);
    assert.is(readSync(span.file, into, 0, span.length, span.offset), span.length);
    return into;
  });
  piece.sent += length;
  return Buffer.concat(spans);
}

test('gives parts of open files to who can send them, more at once as it goes on', async () => {
  await using kit = await onDisk();
  const counts: number[] = [];
  const pieces: Uint8Array[] = [];
  for await (const piece of (await kit.open()).stream({ start: 0, end: kit.bytes.length }, NEVER)) {
    if (piece instanceof FilePiece) counts.push(piece.next(piece.length).length);
    pieces.push(piece instanceof FilePiece ? send(piece, piece.length) : Buffer.from(piece));
  }
  assert.equal(counts, [1, 2, 4]);
  same(Buffer.concat(pieces), kit.bytes);
  assert.is(kit.origin.hits.length, FILES);
});

/** Reads a blob of which the first chunks are in files alone, and the others nowhere; how many are asked for when its files are to be sent. */
async function readHalfStored(lookAhead: LookAhead, isAsked: boolean): Promise<void> {
  await using origin = await startOrigin();
  await using dir = await tempDir();
  const store = await FolderStore.open(dir.path);
  const before = openReader({ store, chunkBytes: MiB });
  const bytes = blobOf(5 * MiB, 'next');
  const url = origin.put('/blob', bytes, { headers: { 'cache-control': 'max-age=60' } });
  await before.read(url);
  await before.reader.settled();
  const memory = new MemoryStore({ maxBytes: 64 * MiB });
  await using kit = openReader({ store: new TieredStore(memory, store), chunkBytes: MiB, lookAhead });
  const blob = await kit.open(url);
  const idOf = (index: number) => ({ key: blob.facts.key, chunkBytes: MiB, index });
  for (const index of [3, 4]) await store.unlink(chunkPath(idOf(index)));
  const asked = origin.hits.length;
  const pieces: Uint8Array[] = [];
  let files = 0;
  for await (const piece of blob.stream({ start: 0, end: bytes.length }, NEVER)) {
    if (piece instanceof FilePiece) files += piece.next(piece.length).length;
    if (piece instanceof FilePiece && files === 3) {
      if (isAsked) await until('the next to be asked for', () => origin.hits.length > asked);
      assert.is(origin.hits.length, asked + (isAsked ? 1 : 0));
      // What can be sent as a file is not loaded.
      for (const index of [1, 2]) assert.is(memory.peek(idOf(index)), undefined);
    }
    pieces.push(piece instanceof FilePiece ? send(piece, piece.length) : Buffer.from(piece));
  }
  assert.ok(files >= 3);
  same(Buffer.concat(pieces), bytes);
}

test('has what comes next fetched while files are sent', () =>
  readHalfStored({ perRead: 1, total: 8 }, true));

test('fetches nothing ahead of files that are sent where nothing is to be fetched ahead', () =>
  readHalfStored({ perRead: 0, total: 8 }, false));

test('gives as bytes what of files was not sent, wherever that ends', async () => {
  await using kit = await onDisk();
  const { length } = kit.bytes;
  for (const share of [0, 1 / 3, 1 / 2, 3 / 4, 1 - 1 / MiB]) {
    for (const [start, end] of [
      [0, length],
      [MiB / 2, length - 5],
      [MiB - 1, 3 * MiB + 1],
    ] as const) {
      const pieces: Uint8Array[] = [];
      for await (const piece of (await kit.open()).stream({ start, end }, NEVER))
        pieces.push(
          piece instanceof FilePiece ? send(piece, Math.floor(piece.length * share)) : Buffer.from(piece),
        );
      same(Buffer.concat(pieces), kit.bytes.subarray(start, end));
    }
  }
});

test('keeps files that were lent open until they are sent, whatever becomes of them meanwhile', async () => {
  await using kit = await onDisk();
  const pieces: Uint8Array[] = [];
  const blob = await kit.open();
  for await (const piece of blob.stream({ start: 0, end: kit.bytes.length }, NEVER)) {
    // Evicted, with its file closed where nobody uses it.
    if (piece instanceof FilePiece && piece.next(piece.length).length > 1)
      await kit.durable.remove(blob.facts.key);
    pieces.push(piece instanceof FilePiece ? send(piece, piece.length) : Buffer.from(piece));
  }
  same(Buffer.concat(pieces), kit.bytes);
  assert.is(kit.lent(), 0);
});

test('gives all files back to the store when who reads leaves while they are sent', async () => {
  await using kit = await onDisk();
  for await (const piece of (await kit.open()).stream({ start: 0, end: kit.bytes.length }, NEVER))
    if (piece instanceof FilePiece) {
      piece.sent = piece.length;
      assert.is(kit.lent(), Math.ceil(piece.length / MiB));
      if (piece.length > MiB) break;
    }
  assert.is(kit.lent(), 0);
});

test('tells where bytes came from, each chunk counted once', async () => {
  await using origin = await startOrigin();
  await using kit = openReader();
  const bytes = blobOf(3 * CHUNK + 1, 'counted');
  const url = origin.put('/blob', bytes, { headers: { 'cache-control': 'max-age=60' } });
  await kit.read(url);
  assert.equal([...kit.told.from], [['origin', { bytes: bytes.length, chunks: 4 }]]);
  await kit.reader.settled();
  await kit.read(url);
  assert.equal(kit.told.from.get('memory'), { bytes: bytes.length, chunks: 4 });
});

test.run();
