import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Chunk, type ChunkId, DEFAULT_CHUNK_BYTES, KiB } from '../../functions/blob/chunk.ts';
import type { AccessRecord, ChunkStore } from '../../functions/blob/store.ts';
import { hasCode } from '../../functions/protocol/errors.ts';
import { blobOf, sha256 } from './blob-of.ts';
import { BARE_KEY, chunkOf, fullFacts, idOf, KEY, plainFacts, sameChunk } from './samples.ts';

/** A store to try, and the means to go behind its back. Disposing it closes the store and removes what it kept. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: ChunkStore;
  /** Closes nothing; opens a second store over what the first has kept. */
  reopen?(): Promise<ChunkStore>;
  /** Changes a bit of a chunk where it is kept. */
  spoilChunk?(id: ChunkId): Promise<void>;
  /** Makes kept facts unreadable. */
  spoilFacts?(addressKey: string): Promise<void>;
}

/** What the store is able to do beyond the port; a test is added only for what is claimed. */
export interface Abilities {
  /** Keeps across `close`: `reopen` is there. */
  readonly durable?: boolean;
  /** `spoilChunk` and `spoilFacts` are there. */
  readonly spoilable?: boolean;
  /** False for a store that takes the writer's word for the digest, for it looks into memory first. Else `reopen` is there. */
  readonly verifies?: boolean;
}

const RECORD: AccessRecord = { publicUntilMs: 1_790_000_000_000, by: 'bare' };

/**
 * The guarantees of the ChunkStore port as a suite, for every adapter to pass. The caller may add tests of its
 * own and ends with `.run()`. The store must have room for some 30 MiB.
 */
export function storeContract(
  name: string,
  open: () => Promise<OpenedStore>,
  { durable = false, spoilable = false, verifies = true }: Abilities = {},
): Test {
  const test = suite(name);

  for (const size of [1, 1000, 64 * KiB + 1, DEFAULT_CHUNK_BYTES]) {
    test(`gives back a chunk of ${size} bytes as it was written`, async () => {
      await using opened = await open();
      const chunk = chunkOf(size, `round-trip-${size}`);
      await opened.store.write(idOf(), chunk);
      sameChunk(await opened.store.read(idOf()), chunk);
    });
  }

  test('answers undefined for a chunk it does not have', async () => {
    await using opened = await open();
    assert.is(await opened.store.read(idOf()), undefined);
    assert.is(opened.store.peek(idOf()), undefined);
    await opened.store.write(idOf({ index: 1 }), chunkOf(10, 'neighbour'));
    assert.is(await opened.store.read(idOf()), undefined);
    assert.is(opened.store.peek(idOf()), undefined);
  });

  test('says whether it has a chunk, where it can be asked', async () => {
    await using opened = await open();
    const { store } = opened;
    if (store.has === undefined) return;
    assert.is(await store.has(idOf()), false);
    await store.write(idOf(), chunkOf(1000, 'had'));
    assert.is(await store.has(idOf()), true);
    assert.is(await store.has(idOf({ index: 1 })), false);
    await store.remove(KEY);
    assert.is(await store.has(idOf()), false);
  });

  test('peeks at a chunk only as it was written', async () => {
    await using opened = await open();
    const chunk = chunkOf(1000, 'peek');
    await opened.store.write(idOf(), chunk);
    const seen = opened.store.peek(idOf());
    if (seen !== undefined) sameChunk(seen, chunk);
  });

  test('tells chunks apart by key, by chunk size and by index', async () => {
    await using opened = await open();
    const ids = [
      idOf(),
      idOf({ key: BARE_KEY }),
      idOf({ key: `sha256:${BARE_KEY}` }),
      idOf({ chunkBytes: 1024 }),
      idOf({ index: 1 }),
      idOf({ index: 10 }),
      idOf({ index: 2 ** 31 }),
    ];
    const chunks = ids.map((_, n) => chunkOf(100 + n, `apart-${n}`));
    for (const [n, id] of ids.entries()) await opened.store.write(id, chunks[n] as Chunk);
    for (const [n, id] of ids.entries()) sameChunk(await opened.store.read(id), chunks[n] as Chunk);
  });

  test('has the last bytes written under an id', async () => {
    await using opened = await open();
    await opened.store.write(idOf(), chunkOf(2000, 'before'));
    const after = chunkOf(1500, 'after');
    await opened.store.write(idOf(), after);
    sameChunk(await opened.store.read(idOf()), after);
  });

  test('takes many writes of one chunk at once', async () => {
    await using opened = await open();
    const chunk = chunkOf(100 * KiB, 'same');
    await Promise.all(Array.from({ length: 20 }, () => opened.store.write(idOf(), chunk)));
    sameChunk(await opened.store.read(idOf()), chunk);
  });

  test('never mixes the bytes of two writes of one chunk', async () => {
    await using opened = await open();
    const chunks = Array.from({ length: 8 }, (_, n) => chunkOf(200 * KiB, `race-${n}`));
    const reads: Promise<Chunk | undefined>[] = [];
    await Promise.all(
      chunks.map(async (chunk) => {
        await opened.store.write(idOf(), chunk);
        reads.push(opened.store.read(idOf()));
      }),
    );
    const digests = new Set(chunks.map((chunk) => chunk.sha256));
    for (const read of [...(await Promise.all(reads)), await opened.store.read(idOf())]) {
      if (read === undefined) continue;
      assert.is(sha256(read.bytes), read.sha256);
      assert.ok(digests.has(read.sha256 ?? ''), 'bytes that nobody wrote');
    }
  });

  test('serves many reads at once', async () => {
    await using opened = await open();
    const chunks = Array.from({ length: 4 }, (_, n) => chunkOf(100 * KiB, `many-${n}`));
    for (const [index, chunk] of chunks.entries()) await opened.store.write(idOf({ index }), chunk);
    const reads = Array.from({ length: 40 }, (_, n) => opened.store.read(idOf({ index: n % 4 })));
    for (const [n, read] of (await Promise.all(reads)).entries()) sameChunk(read, chunks[n % 4] as Chunk);
  });

  if (verifies) {
    test('never gives back bytes that are not those of their digest, to whoever has not written them', async () => {
      await using opened = await open();
      const lie: Chunk = { bytes: blobOf(1000, 'lie'), sha256: sha256(blobOf(1000, 'truth')) };
      await opened.store.write(idOf(), lie).catch(onlyWriteFailed);
      const another = await opened.reopen?.();
      assert.is(another?.peek(idOf()), undefined);
      assert.is(await another?.read(idOf()), undefined);
    });
  }

  for (const facts of [plainFacts(), fullFacts()]) {
    test(`gives back facts with ${Object.keys(facts).length} fields as they were written`, async () => {
      await using opened = await open();
      await opened.store.writeFacts(BARE_KEY, facts);
      assert.equal(await opened.store.readFacts(BARE_KEY), facts);
    });
  }

  test('answers undefined for facts it does not have', async () => {
    await using opened = await open();
    assert.is(await opened.store.readFacts(KEY), undefined);
    await opened.store.write(idOf(), chunkOf(10, 'no facts'));
    assert.is(await opened.store.readFacts(KEY), undefined);
  });

  test('has the last facts written for an address, and nothing of those before', async () => {
    await using opened = await open();
    await opened.store.writeFacts(KEY, fullFacts());
    await opened.store.writeFacts(KEY, plainFacts());
    assert.equal(await opened.store.readFacts(KEY), plainFacts());
  });

  test('keeps what is known of a right beside facts of the same key, and replaces it', async () => {
    await using opened = await open();
    const { store } = opened;
    assert.is(await store.readAccess(KEY), undefined);
    await store.writeFacts(KEY, plainFacts());
    await store.writeAccess(KEY, { publicUntilMs: 1, by: 'token' });
    await store.writeAccess(KEY, RECORD);
    assert.equal(await store.readAccess(KEY), RECORD);
    assert.equal(await store.readFacts(KEY), plainFacts());
  });

  test('removes the chunks, facts and rights of a key and nothing else', async () => {
    await using opened = await open();
    const { store } = opened;
    const gone = [idOf(), idOf({ index: 7 }), idOf({ chunkBytes: 1024 })];
    const kept = [idOf({ key: BARE_KEY }), idOf({ key: `sha256:${BARE_KEY}` })];
    for (const id of [...gone, ...kept]) await store.write(id, chunkOf(100, id.key));
    await store.writeFacts(KEY, plainFacts());
    await store.writeFacts(BARE_KEY, fullFacts());
    await store.writeAccess(KEY, RECORD);
    await store.writeAccess(BARE_KEY, RECORD);
    await store.remove(KEY);
    for (const id of gone) {
      assert.is(await store.read(id), undefined);
      assert.is(store.peek(id), undefined);
    }
    assert.is(await store.readFacts(KEY), undefined);
    assert.is(await store.readAccess(KEY), undefined);
    assert.equal(await store.readAccess(BARE_KEY), RECORD);
    for (const id of kept) sameChunk(await store.read(id), chunkOf(100, id.key));
    assert.equal(await store.readFacts(BARE_KEY), fullFacts());
  });

  test('removes a key that it does not have without complaint, and takes it anew', async () => {
    await using opened = await open();
    await opened.store.remove(KEY);
    await opened.store.write(idOf(), chunkOf(100, 'anew'));
    await opened.store.remove(KEY);
    await opened.store.write(idOf(), chunkOf(100, 'anew'));
    sameChunk(await opened.store.read(idOf()), chunkOf(100, 'anew'));
  });

  if (durable) {
    test('waits at close for the writes under way, and has them when opened again', async () => {
      await using opened = await open();
      const ids = Array.from({ length: 6 }, (_, index) => idOf({ index }));
      const writes = ids.map((id) => opened.store.write(id, chunkOf(500 * KiB, id.index)));
      const facts = opened.store.writeFacts(KEY, fullFacts());
      const right = opened.store.writeAccess(KEY, RECORD);
      await opened.store.close();
      await Promise.all([...writes, facts, right]);
      const again = (await opened.reopen?.()) as ChunkStore;
      for (const id of ids) sameChunk(await again.read(id), chunkOf(500 * KiB, id.index));
      assert.equal(await again.readFacts(KEY), fullFacts());
      assert.equal(await again.readAccess(KEY), RECORD);
      await again.close();
    });
  } else {
    test('closes', async () => {
      await using opened = await open();
      await opened.store.write(idOf(), chunkOf(100, 'close'));
      await opened.store.close();
    });
  }

  if (spoilable) {
    test('treats a chunk that was changed where it is kept as a miss, and takes it anew', async () => {
      await using opened = await open();
      const chunk = chunkOf(1000, 'spoilt');
      await opened.store.write(idOf(), chunk);
      await opened.spoilChunk?.(idOf());
      const store = (await opened.reopen?.()) ?? opened.store;
      assert.is(await store.read(idOf()), undefined);
      await store.write(idOf(), chunk);
      sameChunk(await store.read(idOf()), chunk);
      if (store !== opened.store) await store.close();
    });

    test('treats unreadable facts as a miss', async () => {
      await using opened = await open();
      await opened.store.writeFacts(KEY, plainFacts());
      await opened.spoilFacts?.(KEY);
      const store = (await opened.reopen?.()) ?? opened.store;
      assert.is(await store.readFacts(KEY), undefined);
      if (store !== opened.store) await store.close();
    });
  }

  return test;
}

function onlyWriteFailed(error: unknown): void {
  if (!hasCode(error, 'STORE_WRITE_FAILED')) throw error;
}
