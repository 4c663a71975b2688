import * as assert from 'uvu/assert';
import { KiB, MiB } from '../../../functions/blob/chunk.ts';
import { DiskStore } from '../../../functions/blob/disk/disk.ts';
import { MemoryStore } from '../../../functions/blob/memory.ts';
import { TieredStore } from '../../../functions/blob/tiered.ts';
import { FlawedStore } from '../../support/flawed-store.ts';
import { rejects } from '../../support/rejects.ts';
import { chunkOf, idOf, sameChunk } from '../../support/samples.ts';
import { type OpenedStore, storeContract } from '../../support/store-contract.ts';
import { tempDir } from '../../support/temp-dir.ts';

const openDisk = (root: string, maxBytes = 64 * MiB): Promise<DiskStore> =>
  DiskStore.open({ root, maxBytes, minFreeBytes: 0, now: Date.now, onEvict: () => {} });

async function openTiered(): Promise<OpenedStore> {
  const dir = await tempDir();
  const open = async () => new TieredStore(new MemoryStore({ maxBytes: 64 * MiB }), await openDisk(dir.path));
  const store = await open();
  return {
    store,
    reopen: open,
    async [Symbol.asyncDispose]() {
      await store.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

// Memory takes the writer's word for the digest.
const test = storeContract('functions/blob/tiered', openTiered, { durable: true, verifies: false });

test('has a chunk at hand that it once had to look for', async () => {
  await using dir = await tempDir();
  const disk = await openDisk(dir.path);
  const store = new TieredStore(new MemoryStore({ maxBytes: MiB }), disk);
  await disk.write(idOf(), chunkOf(1000, 'below'));
  assert.is(store.peek(idOf()), undefined);
  sameChunk(await store.read(idOf()), chunkOf(1000, 'below'));
  sameChunk(store.peek(idOf()), chunkOf(1000, 'below'));
  await store.close();
});

test('does not let what is hot in memory be evicted from disk', async () => {
  await using dir = await tempDir();
  const store = new TieredStore(new MemoryStore({ maxBytes: 64 * MiB }), await openDisk(dir.path, MiB));
  await store.write(idOf(), chunkOf(100 * KiB, 'hot'));
  for (let index = 1; index <= 40; index += 1) {
    await store.write(idOf({ index }), chunkOf(100 * KiB, index));
    store.peek(idOf());
  }
  await store.close();
  const again = await openDisk(dir.path, MiB);
  sameChunk(await again.read(idOf()), chunkOf(100 * KiB, 'hot'));
  await again.close();
});

test('has in memory what the disk could not keep, and says that it was not kept', async () => {
  const memory = new MemoryStore({ maxBytes: MiB });
  const flawed = new FlawedStore(new MemoryStore({ maxBytes: MiB }), { writes: true });
  const store = new TieredStore(memory, flawed);
  await rejects('STORE_WRITE_FAILED', store.write(idOf(), chunkOf(1000, 'not kept')));
  sameChunk(await store.read(idOf()), chunkOf(1000, 'not kept'));
});

test.run();
