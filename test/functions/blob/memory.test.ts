import * as assert from 'uvu/assert';
import { KiB, MiB } from '../../../functions/blob/chunk.ts';
import { MemoryStore } from '../../../functions/blob/memory.ts';
import { chunkOf, idOf, KEY, plainFacts } from '../../support/samples.ts';
import { type OpenedStore, storeContract } from '../../support/store-contract.ts';

async function openMemory(): Promise<OpenedStore> {
  const store = new MemoryStore({ maxBytes: 64 * MiB });
  return { store, [Symbol.asyncDispose]: () => store.close() };
}

// Its bytes never leave the process that made them, so it takes the writer's word for the digest.
const test = storeContract('functions/blob/memory', openMemory, { verifies: false });

test('peeks at what it has', async () => {
  const store = new MemoryStore({ maxBytes: MiB });
  const chunk = chunkOf(1000, 'peek');
  await store.write(idOf(), chunk);
  assert.is(store.peek(idOf()), chunk);
});

test('keeps to its limit while ten times as much flows through, the last used staying', async () => {
  const store = new MemoryStore({ maxBytes: MiB });
  await store.write(idOf(), chunkOf(100 * KiB, 'hot'));
  for (let index = 1; index <= 100; index += 1) {
    await store.write(idOf({ index }), chunkOf(100 * KiB, index));
    assert.ok(store.bytes <= MiB, `${store.bytes} bytes`);
    assert.ok(store.peek(idOf()), 'the chunk in use was evicted');
  }
  assert.is(store.peek(idOf({ index: 1 })), undefined);
});

test('does not keep a chunk that is larger than all its room', async () => {
  const store = new MemoryStore({ maxBytes: 10 * KiB });
  await store.write(idOf(), chunkOf(20 * KiB, 'large'));
  assert.is(store.peek(idOf()), undefined);
  assert.is(store.bytes, 0);
});

test('keeps no chunk when it has no room at all, and still keeps facts', async () => {
  const store = new MemoryStore({ maxBytes: 0 });
  await store.write(idOf(), chunkOf(1, 'none'));
  await store.writeFacts(KEY, plainFacts());
  assert.is(await store.read(idOf()), undefined);
  assert.equal(await store.readFacts(KEY), plainFacts());
});

test('keeps facts to a limit in bytes', async () => {
  // Broke: 10,000 facts were kept whatever their size, and those of one large sealed blob are megabytes.
  const store = new MemoryStore({ maxBytes: 0 });
  const sealed = Array.from({ length: 100_000 }, () => 'c3'.repeat(32));
  for (let n = 0; n < 10; n += 1) await store.writeFacts(`k${n}`, { ...plainFacts(), sealed });
  assert.is(await store.readFacts('k0'), undefined);
  assert.ok(await store.readFacts('k9'));
});

test.run();
