import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Directory, type DirectoryEntries } from '../../../functions/root/directory.ts';
import { entriesFolder, entryName, memberOf } from '../../../functions/root/directory-entry.ts';
import { FolderEntries } from '../../../functions/root/folder-entries.ts';
import { S3Bucket } from '../../../functions/root/s3-bucket.ts';
import { S3Entries } from '../../../functions/root/s3-entries.ts';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { agentOf } from '../../support/directory.ts';
import { startMinio } from '../../support/minio.ts';
import { need } from '../../support/programs.ts';
import { rejects } from '../../support/rejects.ts';
import { shared } from '../../support/shared.ts';
import { startStrictS3 } from '../../support/strict-s3.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { PATIENCE_MS, until } from '../../support/until.ts';

const NAME = 'functions/root/directory';
const test = suite(NAME);

interface OpenedEntries extends AsyncDisposable {
  readonly entries: DirectoryEntries;
  /** Makes all that is there so much older by the store's own clock; ours stays what it is. */
  age(ms: number): Promise<void>;
}

async function openFolder(): Promise<OpenedEntries> {
  const dir = await tempDir();
  const age = async (ms: number) => {
    for (const entry of await readdir(dir.path, { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name);
      const seconds = (Date.now() - ms) / 1000;
      if (entry.isFile()) await utimes(file, seconds, seconds);
    }
  };
  return {
    entries: new FolderEntries(dir.path),
    age,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

const minio = shared(test, startMinio);
let prefixes = 0;

async function openBucket(): Promise<OpenedEntries> {
  const strict = await startStrictS3(await minio());
  const http = new HttpClient({
    connectMs: PATIENCE_MS,
    firstByteMs: 10_000,
    idleMs: 10_000,
    connections: 16,
  });
  prefixes += 1;
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = strict;
  const settings = {
    Endpoint: endpoint,
    Region: region,
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Bucket: bucket,
    Prefix: `directory-${prefixes}`,
  };
  const opened = await S3Bucket.open(settings, http);
  return {
    entries: new S3Entries(opened),
    async age(ms) {
      strict.clockAheadMs += ms;
    },
    async [Symbol.asyncDispose]() {
      opened.close();
      await http.close();
      await strict[Symbol.asyncDispose]();
    },
  };
}

const STORES = { folder: openFolder, S3: openBucket };
const [A, B] = [agentOf(1001), agentOf(1002)] as const;

/** A directory that lists anew each time: it finds that two seconds have gone by. */
function directoryOf(entries: DirectoryEntries): Directory {
  let nowMs = 0;
  return new Directory({
    entries,
    now: () => {
      nowMs += 2_000;
      return nowMs;
    },
  });
}

const announce = (directory: Directory, ...members: (typeof A)[]) =>
  Promise.all(members.map((member) => directory.announce({ ...member, leaving: false })));

for (const [store, open] of Object.entries(STORES)) {
  const over = (guarantee: string, run: () => Promise<void>) => {
    const suitable = store === 'S3' ? need(test, NAME, 'minio') : test;
    suitable(`over ${store}, ${guarantee}`, run);
  };

  over('lists by id who has announced itself, in each process alike', async () => {
    await using opened = await open();
    await announce(directoryOf(opened.entries), B, A);
    const elsewhere = await directoryOf(opened.entries).list('');
    assert.equal(elsewhere.members, [A, B]);
    assert.equal((await directoryOf(opened.entries).list('other')).members, []);
  });

  over('forgets who said nothing for 75 s by the clock of the store, and nobody sooner', async () => {
    await using opened = await open();
    const directory = directoryOf(opened.entries);
    await announce(directory, A);
    await opened.age(70_000);
    assert.equal((await directory.list('')).members, [A]);
    await announce(directory, B);
    if (store === 'folder') await opened.age(76_000);
    else await opened.age(6_000);
    const { members } = await directory.list('');
    assert.not(members.some(({ id }) => id === A.id));
  });

  over('removes what has been dead for long, so that listings stay short', async () => {
    await using opened = await open();
    await announce(directoryOf(opened.entries), A);
    await opened.age(800_000);
    const directory = directoryOf(opened.entries);
    await directory.list('');
    await until('it to be gone', async () => (await opened.entries.list(entriesFolder())).length === 0);
  });
}

test('lists a node that moved at its new address alone, and an address that has another node by that', async () => {
  await using opened = await openFolder();
  const directory = directoryOf(opened.entries);
  await announce(directory, A, B);
  await opened.age(5_000);
  const moved = { ...A, url: 'http://127.0.0.1:3000' };
  const successor = { ...agentOf(1003), url: B.url };
  await announce(directory, moved, successor);
  assert.equal((await directory.list('')).members, [moved, successor]);
});

test('lists once for all who ask within two seconds, and anew after an announcement here', async () => {
  await using opened = await openFolder();
  let listings = 0;
  const counted: DirectoryEntries = {
    put: (entry) => opened.entries.put(entry),
    remove: (entry) => opened.entries.remove(entry),
    list(folder) {
      listings += 1;
      return opened.entries.list(folder);
    },
  };
  let nowMs = 1;
  const directory = new Directory({ entries: counted, now: () => nowMs });
  await Promise.all(Array.from({ length: 20 }, () => directory.list('')));
  assert.is(listings, 1);
  await announce(directory, A);
  assert.equal((await directory.list('')).members, [A], 'a newcomer is listed at once');
  assert.is(listings, 2);
  nowMs += 3_000;
  await directory.list('');
  assert.is(listings, 3);
});

test('asks a store that failed again', async () => {
  await using opened = await openFolder();
  let isDown = true;
  const directory = new Directory({
    entries: {
      put: (entry) => opened.entries.put(entry),
      remove: (entry) => opened.entries.remove(entry),
      list: (folder) => (isDown ? Promise.reject(new Error('down')) : opened.entries.list(folder)),
    },
    now: () => 0,
  });
  const failure = await directory.list('').catch((error: Error) => error);
  assert.instance(failure, Error);
  isDown = false;
  assert.equal((await directory.list('')).members, []);
});

test('passes over what is in its folder and is no entry', async () => {
  await using dir = await tempDir();
  const entries = new FolderEntries(dir.path);
  const directory = directoryOf(entries);
  await announce(directory, A);
  await writeFile(join(dir.path, 'agents/_/a-stranger'), '');
  await entries.put('agents/_/00000000-id/bm9uc2Vuc2U');
  assert.equal((await directory.list('')).members, [A]);
});

test('keeps all that is known of a member in the name of its entry, and reads nothing else out of one', () => {
  for (const member of [
    A,
    agentOf(7, { zone: 'eu-1a', weight: 100 }),
    { ...A, url: 'https://[fd00::1]:19145' },
  ]) {
    const name = entryName(member);
    assert.ok(name.startsWith(entriesFolder(member.zone)));
    assert.ok(/^[\w/-]+$/.test(name), name);
    assert.equal(memberOf(name), member);
  }
  for (const name of [
    'agents/_/x',
    'agents/_/0000000a-id',
    'agents/_/0000000a-id/%%',
    `other/${entryName(A)}`,
  ]) {
    assert.is(memberOf(name), undefined, name);
  }
});

// While S3 was away each announcement and each question was logged as a fault of the program, with its stack.
need(
  test,
  NAME,
  'minio',
)('what S3 fails with is a failure of the store', async () => {
  const opened = await openBucket();
  await opened[Symbol.asyncDispose]();
  const { entries } = opened;
  await rejects('STORE_WRITE_FAILED', entries.put('one'));
  await rejects('STORE_WRITE_FAILED', entries.remove('one'));
  await rejects('STORE_READ_FAILED', entries.list('all'));
});

test.run();
