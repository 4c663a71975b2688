import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KiB } from '../../../functions/blob/chunk.ts';
import { FolderStore } from '../../../functions/blob/disk/folder.ts';
import { KernelPages } from '../../../sidecar/sendfile/kernel-pages.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { idOf } from '../../support/samples.ts';
import { tempDir } from '../../support/temp-dir.ts';

const test = suite('sidecar/sendfile/kernel-pages');

const BYTES = blobOf(256 * KiB, 'pages');

function openPages(): KernelPages {
  const pages = KernelPages.open();
  if (pages === undefined) throw new Error('koffi is not installed, or this is not Linux: npm install');
  return pages;
}

test('reads what was written of late, from any offset into any part of a buffer', async () => {
  await using dir = await tempDir();
  await writeFile(join(dir.path, 'file'), BYTES);
  await using file = await open(join(dir.path, 'file'));
  const pages = openPages();
  const buffer = Buffer.alloc(100 * KiB, 7);
  for (const [offset, at, length] of [
    [0, 0, 1],
    [1, 3, 16 * KiB],
    [4095, 100, 4098],
    [BYTES.length - 5, 50 * KiB, 5],
  ] as const) {
    buffer.fill(7);
    assert.is(pages.read(file.fd, offset, buffer.subarray(at, at + length)), true);
    assert.is(
      sha256(buffer.subarray(at, at + length)),
      sha256(BYTES.subarray(offset, offset + length)),
      `${offset}`,
    );
    assert.ok(buffer.subarray(0, at).every((byte) => byte === 7));
    assert.ok(buffer.subarray(at + length).every((byte) => byte === 7));
  }
});

test('says of less than all, and of a file that is not open, that it was not read', async () => {
  await using dir = await tempDir();
  await writeFile(join(dir.path, 'file'), BYTES);
  const file = await open(join(dir.path, 'file'));
  const pages = openPages();
  assert.is(pages.read(file.fd, BYTES.length - 4, Buffer.alloc(5)), false);
  assert.is(pages.read(file.fd, BYTES.length, Buffer.alloc(5)), false);
  const write = await open(join(dir.path, 'other'), 'w');
  assert.is(pages.read(write.fd, 0, Buffer.alloc(5)), false);
  await Promise.all([file.close(), write.close()]);
  assert.is(pages.read(-1, 0, Buffer.alloc(5)), false);
});

test('lets a folder be glanced at, but not at a chunk that is gone or another', async () => {
  await using dir = await tempDir();
  const store = await FolderStore.open(dir.path, 'folder', openPages());
  const id = idOf();
  await store.write(id, { bytes: BYTES });
  // It is opened when somebody waits for it.
  assert.is(store.peekExtent(id), undefined);
  const extent = await store.extent(id);
  assert.is(store.peekExtent(id), extent);
  const bytes = Buffer.alloc(1000);
  assert.is(extent?.glance(500, bytes), true);
  assert.is(sha256(bytes), sha256(BYTES.subarray(500, 1500)));
  // The seal behind it is no part of it.
  assert.is(extent?.glance(BYTES.length - 10, Buffer.alloc(11)), false);
  await store.write(id, { bytes: blobOf(1000, 'another') });
  assert.is(store.peekExtent(id), undefined);
  // It waits for its close.
  await store.extent(id);
  assert.is(extent?.glance(500, bytes), false);
  await store.close();
});

test.run();
