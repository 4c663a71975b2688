import { existsSync, readSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { KiB } from '../../../../functions/blob/chunk.ts';
import { FolderStore } from '../../../../functions/blob/disk/folder.ts';
import { chunkPath, factsPath } from '../../../../functions/blob/path.ts';
import { rejects } from '../../../support/rejects.ts';
import { chunkOf, idOf, sameChunk } from '../../../support/samples.ts';
import { type OpenedStore, storeContract } from '../../../support/store-contract.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { until } from '../../../support/until.ts';

async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

async function openFolder(): Promise<OpenedStore> {
  const dir = await tempDir();
  return {
    store: await FolderStore.open(dir.path),
    reopen: () => FolderStore.open(dir.path),
    spoilChunk: (id) => flip(join(dir.path, chunkPath(id)), 10),
    spoilFacts: (key) => flip(join(dir.path, factsPath(key)), 70),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

const test = storeContract('functions/blob/disk/folder', openFolder, { durable: true, spoilable: true });

test('tells backup programs to pass over it', async () => {
  await using dir = await tempDir();
  await FolderStore.open(dir.path);
  const tag = await readFile(join(dir.path, 'CACHEDIR.TAG'), 'utf8');
  assert.ok(tag.startsWith('Signature: 8a477f597d28d172789f06886806bc55\n'));
});

test('lets two processes share a folder', async () => {
  await using dir = await tempDir();
  const [one, two] = [await FolderStore.open(dir.path), await FolderStore.open(dir.path)];
  await Promise.all([one.write(idOf(), chunkOf(1000, 'a')), two.write(idOf(), chunkOf(1000, 'a'))]);
  sameChunk(await one.read(idOf()), chunkOf(1000, 'a'));
  await two.write(idOf(), chunkOf(2000, 'b'));
  sameChunk(await one.read(idOf()), chunkOf(2000, 'b'));
});

test('keeps chunks whole that take several writes, however they end', async () => {
  await using dir = await tempDir();
  const store = await FolderStore.open(dir.path);
  for (const bytes of [512 * KiB - 1, 512 * KiB, 512 * KiB + 1, 1200 * KiB + 7]) {
    await store.write(idOf({ index: bytes }), chunkOf(bytes, bytes));
    const other = await FolderStore.open(dir.path);
    sameChunk(await other.read(idOf({ index: bytes })), chunkOf(bytes, bytes));
  }
});

test('leaves no half-written file behind', async () => {
  await using dir = await tempDir();
  const store = await FolderStore.open(dir.path);
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => store.write(idOf({ index }), chunkOf(1000, index))),
  );
  assert.equal(await readdir(join(dir.path, 'v1/.tmp')), []);
});

test('removes the folder of a chunk with its last file', async () => {
  await using dir = await tempDir();
  const store = await FolderStore.open(dir.path);
  await store.write(idOf(), chunkOf(10, 'last'));
  await store.unlink(chunkPath(idOf()));
  await store.unlink(chunkPath(idOf()));
  assert.not(existsSync(join(dir.path, chunkPath(idOf()), '..')));
});

test('refuses a folder that cannot be made', async () => {
  await using dir = await tempDir();
  await writeFile(join(dir.path, 'file'), '');
  await rejects('STORE_WRITE_FAILED', FolderStore.open(join(dir.path, 'file')));
});

test('keeps a lent file open until it is given back, whatever becomes of its name', async () => {
  await using dir = await tempDir();
  const store = await FolderStore.open(dir.path);
  const { bytes } = chunkOf(1000, 'lent');
  // One without a digest needs no look at what was written.
  await store.write(idOf(), { bytes });
  const extent = await store.extent(idOf());
  const lent = [extent?.lend(), extent?.lend()];
  await store.remove(idOf().key);
  await store.close();
  for (const file of lent) {
    assert.ok(file);
    const read = Buffer.alloc(1000);
    readSync(file.fd, read, 0, 1000, 0);
    assert.equal(read, Buffer.from(bytes));
    file.giveBack();
    // Twice is once.
    file.giveBack();
  }
  const fd = lent[0]?.fd ?? -1;
  await until('the file to be closed', () => !existsSync(`/proc/self/fd/${fd}`));
});

test('keeps a file open that is lent while it is read and about to be closed', async () => {
  await using dir = await tempDir();
  const store = await FolderStore.open(dir.path);
  const { bytes } = chunkOf(1000, 'lent');
  await store.write(idOf(), { bytes });
  const extent = await store.extent(idOf());
  assert.ok(extent);
  const reading = extent.read(0, Buffer.alloc(1000));
  // As when the store makes room, or is told to forget it.
  const closing = extent.close();
  const file = extent.lend();
  assert.ok(file);
  await Promise.all([reading, closing]);
  // By now the number could be that of another file.
  await using other = await tempDir();
  await writeFile(join(other.path, 'other'), Buffer.alloc(1000));
  const read = Buffer.alloc(1000);
  readSync(file.fd, read, 0, 1000, 0);
  assert.equal(read, Buffer.from(bytes));
  file.giveBack();
  await until('the file to be closed', () => !existsSync(`/proc/self/fd/${file.fd}`));
});

test.run();
