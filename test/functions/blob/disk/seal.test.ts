import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Chunk } from '../../../../functions/blob/chunk.ts';
import { openSealed, SEAL_BYTES, sealOf, sha256Of } from '../../../../functions/blob/disk/seal.ts';
import { BARE_KEY, chunkOf, idOf, sameChunk } from '../../../support/samples.ts';

const test = suite('functions/blob/disk/seal');

const CHUNK = chunkOf(1000, 'sealed');
const UNNAMED = { bytes: CHUNK.bytes };
const fileOf = (chunk: Chunk) => Buffer.concat([chunk.bytes, sealOf(idOf(), chunk)]);
const FILE = fileOf(CHUNK);
const copy = (): Buffer<ArrayBuffer> => Buffer.from(FILE);

test('opens what it sealed', async () => {
  assert.is(FILE.length, 1000 + SEAL_BYTES);
  sameChunk(await openSealed(idOf(), copy(), false), CHUNK);
  sameChunk(await openSealed(idOf(), copy(), true), CHUNK);
});

test('opens what it sealed without a digest, and gives it none', async () => {
  for (const trusted of [true, false]) {
    const opened = await openSealed(idOf(), fileOf(UNNAMED), trusted);
    assert.equal(opened, { bytes: Buffer.from(CHUNK.bytes), sha256: undefined });
  }
  assert.is(sha256Of(sealOf(idOf(), UNNAMED)), undefined);
  assert.is(sha256Of(sealOf(idOf(), CHUNK)), CHUNK.sha256);
});

test('opens no file in which any one bit of bytes or seal is another', async () => {
  for (const chunk of [CHUNK, UNNAMED]) {
    for (let at = 0; at < FILE.length; at += 7) {
      const file = fileOf(chunk);
      file[at] = (file[at] ?? 0) ^ (1 << (at % 8));
      assert.is(await openSealed(idOf(), file, false), undefined, `byte ${at}`);
    }
  }
});

test('opens no file whose seal is another, even where its bytes were checked before', async () => {
  for (let at = 1000; at < FILE.length; at += 1) {
    const file = copy();
    file[at] = (file[at] ?? 0) ^ 1;
    assert.is(await openSealed(idOf(), file, true), undefined, `byte ${at}`);
  }
});

test('opens no file of another length', async () => {
  for (const length of [0, 1, SEAL_BYTES - 1, SEAL_BYTES, SEAL_BYTES + 1, 999, FILE.length - 1]) {
    assert.is(await openSealed(idOf(), copy().subarray(0, length), true), undefined, `${length} bytes`);
  }
  assert.is(await openSealed(idOf(), Buffer.concat([FILE, Buffer.alloc(1)]), true), undefined);
  assert.is(await openSealed(idOf(), Buffer.concat([Buffer.alloc(1), FILE]), true), undefined);
});

test('opens no file under another name', async () => {
  for (const part of [{ index: 1 }, { key: BARE_KEY }, { chunkBytes: 1024 }]) {
    assert.is(await openSealed(idOf(part), copy(), true), undefined);
  }
});

test.run();
