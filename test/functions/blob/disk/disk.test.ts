import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import * as assert from 'uvu/assert';
import { type ChunkId, KiB, MiB } from '../../../../functions/blob/chunk.ts';
import { type DiskOptions, DiskStore } from '../../../../functions/blob/disk/disk.ts';
import { chunkPath, doomedPath, factsPath, keyPath, markPath } from '../../../../functions/blob/path.ts';
import { need } from '../../../support/programs.ts';
import { rejects } from '../../../support/rejects.ts';
import { BARE_KEY, chunkOf, fullFacts, idOf, KEY, plainFacts, sameChunk } from '../../../support/samples.ts';
import { type OpenedStore, storeContract } from '../../../support/store-contract.ts';
import { type TempDir, tempDir, tmpfs } from '../../../support/temp-dir.ts';
import { until } from '../../../support/until.ts';

const NAME = 'functions/blob/disk/disk';

const open = (root: string, part: Partial<DiskOptions> = {}): Promise<DiskStore> =>
  DiskStore.open({ root, maxBytes: 64 * MiB, minFreeBytes: 0, now: Date.now, onEvict: () => {}, ...part });

/** Changes one byte of a file where it is. */
async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

async function openContract(): Promise<OpenedStore> {
  const dir = await tempDir();
  const stores = [await open(dir.path)];
  return {
    store: stores[0] as DiskStore,
    async reopen() {
      const store = await open(dir.path);
      stores.push(store);
      return store;
    },
    spoilChunk: (id) => flip(join(dir.path, chunkPath(id)), 10),
    spoilFacts: (key) => flip(join(dir.path, factsPath(key)), 70),
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

const test = storeContract(NAME, openContract, { durable: true, spoilable: true });

/** The files below a folder, by path. */
async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
}

const keyOf = (n: number): string => `sha256:${n.toString(16).padStart(64, '0')}`;

test('serves what an earlier process left, at once and without the scan', async () => {
  await using dir = await tempDir();
  const before = await open(dir.path);
  const ids = Array.from({ length: 300 }, (_, n) => idOf({ key: keyOf(n * 2 ** 20), index: n }));
  for (const id of ids) await before.write(id, chunkOf(10, id.index));
  await before.writeFacts(KEY, fullFacts());
  await before.close();

  const after = await open(dir.path);
  let scanned = false;
  void after.scanned.then(() => {
    scanned = true;
  });
  sameChunk(await after.read(ids[299] as ChunkId), chunkOf(10, 299));
  assert.equal(await after.readFacts(KEY), fullFacts());
  assert.is(scanned, false, 'the scan of 300 folders was over before one read');
  await after.scanned;
  assert.is(after.usage.files, 301);
  assert.is(after.usage.bytes, 301 * 4096);
  await after.close();
});

test('gives what another process over the same folder wrote, as instances of a function do', async () => {
  await using dir = await tempDir();
  const [store, other] = [await open(dir.path), await open(dir.path)];
  await store.scanned;
  await other.write(idOf(), chunkOf(10, 2));
  sameChunk(await store.read(idOf()), chunkOf(10, 2));
  assert.ok(await store.has(idOf()));
  await store.close();
  await other.close();
});

test('does not look for what the scan has not found where nobody else writes, but for all until it is over', async () => {
  await using dir = await tempDir();
  const before = await open(dir.path);
  await before.write(idOf(), chunkOf(10, 2));
  await before.writeFacts(KEY, plainFacts());
  await before.close();
  const store = await open(dir.path, { isOnlyWriter: true });
  sameChunk(await store.read(idOf()), chunkOf(10, 2));
  await store.scanned;
  sameChunk(await store.read(idOf()), chunkOf(10, 2));
  assert.equal(await store.readFacts(KEY), plainFacts());
  const other = await open(dir.path);
  const late = { ...idOf(), index: 1 };
  await other.write(late, chunkOf(10, 3));
  assert.is(await store.read(late), undefined);
  await store.write(late, chunkOf(10, 3));
  sameChunk(await store.read(late), chunkOf(10, 3));
  await store.close();
  await other.close();
});

for (const [why, rootOf] of [
  ['ends with a slash', (path: string) => `${path}/`],
  [
    'is not in its shortest form',
    (path: string) => join(path, 'sub').replace(/sub$/, './../'.concat(path.split('/').at(-1) ?? '')),
  ],
] as const) {
  test(`keeps what an earlier process left although the folder's name ${why}`, async () => {
    // Broke: the scan cut the paths at the wrong letter, took every chunk for a stranger and removed it.
    await using dir = await tempDir();
    const before = await open(rootOf(dir.path));
    await before.write(idOf(), chunkOf(10, 'kept'));
    await before.close();
    const after = await open(rootOf(dir.path));
    await after.scanned;
    assert.is(after.usage.files, 1);
    sameChunk(await after.read(idOf()), chunkOf(10, 'kept'));
    await after.close();
  });
}

test('evicts first what was used longest ago by an earlier process', async () => {
  await using dir = await tempDir();
  const before = await open(dir.path);
  const ages = [50, 10, 40, 20, 30];
  for (const [index, age] of ages.entries()) {
    await before.write(idOf({ index }), chunkOf(100 * KiB, index));
    const seconds = Date.now() / 1000 - age * 3600;
    await utimes(join(dir.path, chunkPath(idOf({ index }))), seconds, seconds);
  }
  await before.close();

  const evicted: number[] = [];
  const after = await open(dir.path, { maxBytes: 320 * KiB, onEvict: (files) => evicted.push(files) });
  await after.scanned;
  assert.equal(evicted, [2]);
  const left = (await filesIn(join(dir.path, 'v1'))).map((path) => Number(path.split('/').at(-1)));
  assert.equal(left.sort(), [1, 3, 4]);
  await after.write(idOf({ index: 9 }), chunkOf(100 * KiB, 9));
  assert.is(await after.read(idOf({ index: 4 })), undefined);
  await after.close();
});

test('counts what is used while it scans as used last', async () => {
  await using dir = await tempDir();
  const before = await open(dir.path);
  for (let index = 0; index < 4; index += 1) {
    await before.write(idOf({ index }), chunkOf(100 * KiB, index));
    const seconds = Date.now() / 1000 - 3600 * (10 - index);
    await utimes(join(dir.path, chunkPath(idOf({ index }))), seconds, seconds);
  }
  await before.close();
  const after = await open(dir.path, { maxBytes: 210 * KiB });
  sameChunk(await after.read(idOf({ index: 0 })), chunkOf(100 * KiB, 0));
  await after.scanned;
  sameChunk(await after.read(idOf({ index: 0 })), chunkOf(100 * KiB, 0));
  assert.is(await after.read(idOf({ index: 2 })), undefined);
  sameChunk(await after.read(idOf({ index: 3 })), chunkOf(100 * KiB, 3));
  await after.close();
});

test('leaves the marks beside chunks to those who put them, uncounted', async () => {
  await using dir = await tempDir();
  const before = await open(dir.path);
  await before.write(idOf(), chunkOf(10, 'marked'));
  const marks = [markPath(keyPath(KEY), 'used'), markPath(keyPath(KEY), 'lent'), doomedPath(keyPath(KEY))];
  for (const path of marks) await writeFile(join(dir.path, path), '');
  await before.close();
  const after = await open(dir.path);
  await after.scanned;
  assert.is(after.usage.files, 1);
  for (const path of marks) assert.ok(existsSync(join(dir.path, path)), path);
  await after.unlink(chunkPath(idOf()));
  assert.is(after.usage.files, 0);
  assert.is(await after.read(idOf()), undefined);
  await after.close();
});

test('removes strangers and half-written files below v1 at the start, and nothing beside it', async () => {
  await using dir = await tempDir();
  const before = await open(dir.path);
  await before.write(idOf(), chunkOf(10, 'mine'));
  await before.close();
  const own = chunkPath(idOf());
  const strangers = [
    'v1/README',
    'v1/.tmp/half',
    `${own}.bak`,
    `v1/zz/${'a'.repeat(64)}/1/1`,
    `${dirname(own)}/x/1`,
  ];
  const others = ['notes.txt', 'v2/aa/x', 'lost+found/y', 'v10/z'];
  for (const path of [...strangers, ...others]) {
    await mkdir(join(dir.path, dirname(path)), { recursive: true });
    await writeFile(join(dir.path, path), 'x');
  }
  const after = await open(dir.path);
  await after.scanned;
  assert.equal((await filesIn(dir.path)).sort(), ['CACHEDIR.TAG', ...others, own].sort());
  sameChunk(await after.read(idOf()), chunkOf(10, 'mine'));
  assert.is(after.usage.files, 1);
  await after.close();
});

test('counts all that stays when folders go while it scans', async () => {
  // Broke: one folder that was gone when the scan came to it ended the scan, and nothing was counted or evicted.
  await using dir = await tempDir();
  const before = await open(dir.path);
  for (let n = 0; n < 120; n += 1) await before.write(idOf({ key: keyOf(n) }), chunkOf(10, n));
  await before.close();
  const after = await open(dir.path);
  const removing = Array.from({ length: 60 }, (_, n) => after.remove(keyOf(2 * n + 1)));
  await Promise.all(removing);
  await after.scanned;
  assert.is((await filesIn(join(dir.path, 'v1'))).length, 60);
  assert.ok(after.usage.files >= 60, `${after.usage.files} files counted`);
  await after.close();
});

const OTHER = idOf({ index: 7 });

for (const [fault, spoil] of [
  ['one bit of its bytes was flipped', (file: string) => flip(file, 4321)],
  ['one bit of its seal was flipped', async (file: string) => flip(file, (await stat(file)).size - 40)],
  ['it was cut short by one byte', async (file: string) => truncate(file, (await stat(file)).size - 1)],
  ['it was cut to half', async (file: string) => truncate(file, (await stat(file)).size / 2)],
  ['it was cut to nothing', (file: string) => truncate(file, 0)],
  [
    'it grew',
    async (file: string) => writeFile(file, Buffer.concat([await readFile(file), Buffer.alloc(1)])),
  ],
  [
    'its bytes were lost to a hole of the same size',
    async (file: string) => {
      const { size } = await stat(file);
      await truncate(file, 0);
      await truncate(file, size);
    },
  ],
] as const) {
  for (const when of ['after a start', 'while it was in use'] as const) {
    test(`never serves a chunk when ${fault} ${when}, and removes it`, async () => {
      // DadiP2P served whatever length it found on disk, so a chunk torn by a crash was served after the restart.
      await using dir = await tempDir();
      const first = await open(dir.path);
      await first.write(idOf(), chunkOf(100 * KiB, 'torn'));
      sameChunk(await first.read(idOf()), chunkOf(100 * KiB, 'torn'));
      const file = join(dir.path, chunkPath(idOf()));
      await spoil(file);
      // A file's time tells that it is another; a second's resolution must not hide that here.
      await utimes(file, 1, 1);
      if (when === 'after a start') await first.close();
      const store = when === 'after a start' ? await open(dir.path) : first;
      assert.is(await store.read(idOf()), undefined);
      assert.not(existsSync(file));
      await store.scanned;
      assert.is(store.usage.files, 0);
      await store.close();
    });
  }
}

test('never serves a sound chunk under another name, be it index, key or chunk size', async () => {
  await using dir = await tempDir();
  const before = await open(dir.path);
  await before.write(idOf(), chunkOf(5000, 'moved'));
  await before.write(OTHER, chunkOf(5000, 'another'));
  await before.close();
  const names = [OTHER, idOf({ key: BARE_KEY }), idOf({ chunkBytes: 8192 })];
  for (const id of names) {
    const file = join(dir.path, chunkPath(id));
    await mkdir(dirname(file), { recursive: true });
    await copyFile(join(dir.path, chunkPath(idOf())), file);
  }
  const store = await open(dir.path);
  for (const id of names) {
    const file = join(dir.path, chunkPath(id));
    assert.is(await store.read(id), undefined);
    assert.not(existsSync(file));
  }
  await store.write(OTHER, chunkOf(5000, 'another'));
  await rename(join(dir.path, chunkPath(idOf())), join(dir.path, chunkPath(OTHER)));
  assert.is(await store.read(OTHER), undefined);
  assert.is(await store.read(idOf()), undefined);
  await store.close();
});

test('does not follow a link out of the cache', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path);
  await store.write(idOf(), chunkOf(100, 'link'));
  const file = join(dir.path, chunkPath(idOf()));
  await rename(file, join(dir.path, 'outside'));
  await symlink(join(dir.path, 'outside'), file);
  await rejects('STORE_READ_FAILED', store.read(idOf()));
  await store.write(idOf(), chunkOf(100, 'again'));
  sameChunk(await store.read(idOf()), chunkOf(100, 'again'));
  await store.close();
});

/** Watches the real size of a folder from another thread, while this one is busy writing. */
async function watchSize(root: string): Promise<{ most(): Promise<number> }> {
  const worker = new Worker(
    `const { readdirSync, statSync } = require('node:fs');
     const { parentPort, workerData } = require('node:worker_threads');
     let most = 0, done = false;
     const look = () => {
       let sum = 0;
       for (const entry of readdirSync(workerData, { recursive: true, withFileTypes: true })) {
         if (!entry.isFile()) continue;
         try { sum += statSync(entry.parentPath + '/' + entry.name).size } catch {}
       }
       most = Math.max(most, sum);
     };
     const loop = () => { try { look() } catch {} ; if (!done) setImmediate(loop); };
     parentPort.once('message', () => { done = true; look(); parentPort.postMessage(most); });
     parentPort.postMessage('ready');
     loop();`,
    { eval: true, workerData: root },
  );
  await once(worker, 'message');
  return {
    async most() {
      worker.postMessage('stop');
      const [most] = await once(worker, 'message');
      await worker.terminate();
      return most as number;
    },
  };
}

test('keeps the folder under its cap while ten times as much flows through', async () => {
  await using dir = await tempDir();
  const maxBytes = 4 * MiB;
  let evicted = 0;
  const store = await open(dir.path, { maxBytes, onEvict: (files) => (evicted += files) });
  const watch = await watchSize(dir.path);
  const chunk = chunkOf(128 * KiB, 'flow');
  for (let index = 0; index < 320; index += 16) {
    await Promise.all(Array.from({ length: 16 }, (_, n) => store.write(idOf({ index: index + n }), chunk)));
    assert.ok(store.usage.bytes <= maxBytes);
  }
  const most = await watch.most();
  assert.ok(most <= maxBytes, `${most} bytes in a cache of ${maxBytes}`);
  assert.ok(most > maxBytes / 2);
  assert.ok(evicted >= 320 - 32);
  const sizes = await Promise.all(
    (await filesIn(dir.path)).map(async (path) => (await stat(join(dir.path, path))).size),
  );
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= maxBytes);
  await store.close();
});

test('keeps the most recently used and serves it while ten times as much flows through', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path, { maxBytes: 2 * MiB });
  await store.write(idOf(), chunkOf(100 * KiB, 'hot'));
  for (let index = 1; index <= 200; index += 1) {
    await store.write(idOf({ index }), chunkOf(100 * KiB, index));
    sameChunk(await store.read(idOf()), chunkOf(100 * KiB, 'hot'));
  }
  await store.close();
});

test('counts a chunk that a faster store serves as used', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path, { maxBytes: MiB });
  await store.write(idOf(), chunkOf(100 * KiB, 'hot above'));
  for (let index = 1; index <= 40; index += 1) {
    await store.write(idOf({ index }), chunkOf(100 * KiB, index));
    store.touched(idOf());
  }
  sameChunk(await store.read(idOf()), chunkOf(100 * KiB, 'hot above'));
  await store.close();
});

test('sets the time of a used file seldom, so that recency outlives the process', async () => {
  await using dir = await tempDir();
  let nowMs = Date.parse('2030-01-01T00:00:00Z');
  const store = await open(dir.path, { now: () => nowMs });
  await store.write(idOf(), chunkOf(10, 'recent'));
  const timeOf = async () => (await stat(join(dir.path, chunkPath(idOf())))).atimeMs;
  nowMs += 60_000;
  await store.read(idOf());
  await turn();
  assert.is.not(await timeOf(), nowMs);
  nowMs += 3_600_000;
  await store.read(idOf());
  await until('the file to have the time of its use', async () => (await timeOf()) === nowMs);
  await store.close();
});

test('does not keep what is larger than the whole cache', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path, { maxBytes: 100 * KiB });
  await store.write(idOf(), chunkOf(200 * KiB, 'large'));
  assert.is(await store.read(idOf()), undefined);
  assert.equal(await filesIn(join(dir.path, 'v1')), []);
  await store.close();
});

test('keeps nothing when it has no room at all', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path, { maxBytes: 0 });
  await store.write(idOf(), chunkOf(1, 'none'));
  await store.writeFacts(KEY, plainFacts());
  assert.equal(await filesIn(join(dir.path, 'v1')), []);
  await store.close();
});

test('counts facts found by reading them as large as they are', async () => {
  // Broke: facts read before the scan came to them counted as one block, however long their list of digests.
  await using dir = await tempDir();
  const facts = { ...fullFacts(), sealed: Array.from({ length: 3000 }, () => 'c3'.repeat(32)) };
  const before = await open(dir.path);
  await before.writeFacts(KEY, facts);
  const { bytes } = before.usage;
  // So many that the scan is not over when the facts are read.
  for (let n = 0; n < 200; n += 1) await before.write(idOf({ key: keyOf(n * 2 ** 20) }), chunkOf(10, n));
  await before.close();
  const after = await open(dir.path);
  await after.readFacts(KEY);
  await after.scanned;
  assert.is(after.usage.bytes, bytes + 200 * 4096);
  const { size } = await stat(join(dir.path, factsPath(KEY)));
  assert.ok(bytes >= size, `${bytes} counted of ${size}`);
  await after.close();
});

test('refuses to open where it cannot write, naming the place', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'file');
  await writeFile(file, '');
  const error = await rejects('STORE_WRITE_FAILED', open(join(file, 'cache')));
  assert.match(error.message, file);
});

test('fails to read, and does not call it a miss, where the disk does not give the file', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path);
  // A folder in the place of the file: what a disk error looks like without a broken disk.
  await store.write(idOf(), chunkOf(10, 'there'));
  await rm(join(dir.path, chunkPath(idOf())));
  await mkdir(join(dir.path, chunkPath(idOf())));
  await rejects('STORE_READ_FAILED', store.read(idOf()));
  await rejects('STORE_WRITE_FAILED', store.write(idOf(), chunkOf(10, 'blocked')));
  await store.write(OTHER, chunkOf(10, 'others'));
  sameChunk(await store.read(OTHER), chunkOf(10, 'others'));
  // Nothing says that it is gone.
  assert.is(store.usage.files, 2);
  await store.close();
});

test('still has what it could not write anew', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path, { isOnlyWriter: true });
  await store.scanned;
  await store.write(idOf(), chunkOf(10, 'first'));
  await store.writeFacts(KEY, plainFacts());
  await rm(join(dir.path, 'v1/.tmp'), { recursive: true });
  await writeFile(join(dir.path, 'v1/.tmp'), '');
  await rejects('STORE_WRITE_FAILED', store.write(idOf(), chunkOf(10, 'second')));
  await rejects('STORE_WRITE_FAILED', store.writeFacts(KEY, fullFacts()));
  sameChunk(await store.read(idOf()), chunkOf(10, 'first'));
  assert.equal(await store.readFacts(KEY), plainFacts());
  assert.is(store.usage.files, 2);
  await store.close();
});

test('counts files that a power cut has left empty', async () => {
  await using dir = await tempDir();
  const before = await open(dir.path);
  for (const id of [idOf(), OTHER]) await before.write(id, chunkOf(10, 'there'));
  await before.close();
  await truncate(join(dir.path, chunkPath(idOf())), 0);
  const store = await open(dir.path, { isOnlyWriter: true });
  await store.scanned;
  assert.is(store.usage.files, 2);
  assert.is(await store.read(idOf()), undefined);
  sameChunk(await store.read(OTHER), chunkOf(10, 'there'));
  assert.is(store.usage.files, 1);
  await store.close();
});

test('lends no file that is closed, but one that is only to be', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path);
  await store.write(idOf(), chunkOf(10, 'lent'));
  const extent = await store.extent(idOf());
  const lent = extent?.lend?.();
  assert.ok(lent);
  await store.remove(idOf().key);
  await turn();
  const again = extent?.lend?.();
  assert.ok(again);
  for (const loan of [lent, again]) loan?.giveBack();
  assert.is(extent?.lend?.(), undefined);
  await store.close();
});

test('takes chunks again after its folder was emptied under it', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path);
  await store.write(idOf(), chunkOf(10, 'swept'));
  await rm(join(dir.path, 'v1'), { recursive: true });
  assert.is(await store.read(idOf()), undefined);
  await store.write(idOf(), chunkOf(10, 'after'));
  sameChunk(await store.read(idOf()), chunkOf(10, 'after'));
  await store.close();
});

const onTmpfs = need(test, NAME, 'tmpfs');

/** A disk of 4 MiB for a cache that believes it has 64. */
async function smallDisk(): Promise<{ dir: TempDir; store: DiskStore }> {
  const dir = await tmpfs(4 * MiB);
  return { dir, store: await open(dir.path) };
}

onTmpfs('evicts and goes on when the disk is full', async () => {
  const { dir, store } = await smallDisk();
  await using _ = dir;
  for (let index = 0; index < 60; index += 1) {
    await store.write(idOf({ index }), chunkOf(512 * KiB, index));
    sameChunk(await store.read(idOf({ index })), chunkOf(512 * KiB, index));
  }
  assert.ok(store.usage.bytes <= 4 * MiB);
  await store.close();
});

onTmpfs('keeps a chunk whole or not at all when many are written to a full disk at once', async () => {
  const { dir, store } = await smallDisk();
  await using _ = dir;
  for (let round = 0; round < 6; round += 1) {
    const ids = Array.from({ length: 16 }, (_, n) => idOf({ index: round * 16 + n }));
    const outcomes = await Promise.allSettled(ids.map((id) => store.write(id, chunkOf(512 * KiB, id.index))));
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') await rejects('STORE_WRITE_FAILED', Promise.reject(outcome.reason));
    }
    for (const id of ids) {
      const kept = await store.read(id);
      if (kept !== undefined) sameChunk(kept, chunkOf(512 * KiB, id.index));
    }
  }
  assert.equal(
    (await filesIn(dir.path)).filter((path) => path.includes('.tmp')),
    [],
  );
  await store.close();
});

onTmpfs(
  'fails to write and does nothing worse when others have filled the disk, and goes on when there is room',
  async () => {
    const { dir, store } = await smallDisk();
    await using _ = dir;
    await writeFile(join(dir.path, 'theirs'), Buffer.alloc(4 * MiB - 100 * KiB));
    const error = await rejects('STORE_WRITE_FAILED', store.write(idOf(), chunkOf(512 * KiB, 'no room')));
    assert.is((error.cause as NodeJS.ErrnoException).code, 'ENOSPC');
    assert.is(await store.read(idOf()), undefined);
    assert.is(store.usage.files, 0);
    await rm(join(dir.path, 'theirs'));
    await store.write(idOf(), chunkOf(512 * KiB, 'room'));
    sameChunk(await store.read(idOf()), chunkOf(512 * KiB, 'room'));
    await store.close();
  },
);

// Slow clients held what was evicted beyond the cap, four files each, without a bound.
test('lends a quarter of its cap at a time, however often each file, and again what was given back', async () => {
  await using dir = await tempDir();
  const store = await open(dir.path, { maxBytes: 8 * MiB });
  const lend = async (index: number) => {
    const extent = await store.extent(idOf({ index }));
    assert.ok(extent);
    return extent?.lend?.();
  };
  for (let index = 0; index < 4; index += 1)
    await store.write(idOf({ index }), { bytes: new Uint8Array(MiB) });
  const [first, again] = [await lend(0), await lend(0)];
  await lend(1);
  assert.is(await lend(2), undefined);
  // What slow clients have still counts when it is evicted.
  await store.remove(idOf().key);
  await store.write(idOf({ index: 3 }), { bytes: new Uint8Array(MiB) });
  first?.giveBack();
  assert.is(await lend(3), undefined);
  again?.giveBack();
  assert.ok(await lend(3));
  await store.close();
});

onTmpfs('leaves the space free on the file system that it is told to', async () => {
  await using dir = await tmpfs(8 * MiB);
  let nowMs = 0;
  const store = await open(dir.path, {
    minFreeBytes: 3 * MiB,
    // A second passes at each look, so that the free space is read anew.
    now: () => (nowMs += 1000),
  });
  for (let index = 0; index < 60; index += 1) {
    await store.write(idOf({ index }), chunkOf(256 * KiB, index));
    const { bavail, bsize } = await statfs(dir.path);
    assert.ok(bavail * bsize >= 3 * MiB - 64 * KiB, `${bavail * bsize} bytes left free`);
    sameChunk(await store.read(idOf({ index })), chunkOf(256 * KiB, index));
  }
  await store.close();
});

test.run();
