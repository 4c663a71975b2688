import type { Test } from 'uvu';
import { DiskStore } from '../../functions/blob/disk/disk.ts';
import type { BlobFacts } from '../../functions/blob/facts.ts';
import { accessPath, chunkPath, factsPath } from '../../functions/blob/path.ts';
import type { ChunkStore } from '../../functions/blob/store.ts';
import { FolderRecords } from '../../functions/root/folder-records.ts';
import { FolderShelf } from '../../functions/root/folder-shelf.ts';
import { Recency } from '../../functions/root/recency.ts';
import type { Records } from '../../functions/root/records.ts';
import { S3Bucket } from '../../functions/root/s3-bucket.ts';
import { S3Records } from '../../functions/root/s3-records.ts';
import { S3Shelf } from '../../functions/root/s3-shelf.ts';
import { S3Store } from '../../functions/root/s3-store.ts';
import type { Kept, Shelf } from '../../functions/root/shelf.ts';
import { UsedStore } from '../../functions/root/used-store.ts';
import { HttpClient } from '../../functions/service/http-client.ts';
import { sha256 } from './blob-of.ts';
import { startMinio } from './minio.ts';
import type { S3Server } from './s3-server.ts';
import { chunkOf } from './samples.ts';
import { shared } from './shared.ts';
import { tempDir } from './temp-dir.ts';
import { PATIENCE_MS } from './until.ts';

/** What a root keeps, over a clock of the test's. */
export interface KeptStore extends AsyncDisposable {
  /** Marked when used, as a root's is. */
  readonly store: ChunkStore;
  /** Without marks. */
  readonly bare: ChunkStore;
  readonly shelf: Shelf;
  /** By the store's own clock. */
  readonly dated: Shelf;
  readonly records: Records;
  /** Milliseconds since the epoch. */
  now(): number;
  advance(ms: number): void;
  /** Another process over the same: it remembers no marks. */
  another(): ChunkStore;
  /** Names of all that is kept, in order. */
  names(folder?: string): Promise<string[]>;
}

const START_MS = Date.UTC(2026, 10, 22);

/** A root's store in a folder that ends with the value. */
export async function openKeptFolder(): Promise<KeptStore> {
  const dir = await tempDir();
  const bare = await DiskStore.open({
    root: dir.path,
    maxBytes: 2 ** 30,
    minFreeBytes: 0,
    now: Date.now,
    onEvict: () => {},
  });
  const shelf = new FolderShelf(dir.path, bare, Date.now);
  return kept(bare, shelf, new FolderRecords(dir.path), async () => {
    await dir[Symbol.asyncDispose]();
  });
}

let prefixes = 0;

/** A root's store in a bucket, below a prefix of its own. */
async function openKeptBucket(s3: S3Server): Promise<KeptStore> {
  const http = new HttpClient({
    connectMs: PATIENCE_MS,
    firstByteMs: 10_000,
    idleMs: 10_000,
    connections: 32,
  });
  prefixes += 1;
  const bucket = await S3Bucket.open(
    {
      Endpoint: s3.endpoint,
      Region: s3.region,
      Bucket: s3.bucket,
      AccessKeyId: s3.accessKeyId,
      SecretAccessKey: s3.secretAccessKey,
      Prefix: `kept-${prefixes}`,
    },
    http,
  );
  return kept(new S3Store(bucket), new S3Shelf(bucket), new S3Records(bucket), async () => {
    await http.close();
  });
}

/** Where a root keeps things, each with what adds a test of it and how it is opened: `real` adds those that need MinIO. */
export function keptPlaces(test: Test, real: Test) {
  const minio = shared(test, startMinio);
  const openBucket = async () => openKeptBucket(await minio());
  const places = [
    ['folder', test, openKeptFolder],
    ['S3', real, openBucket],
  ] as const;
  return { places, openBucket };
}

/** The blobs of which a chunk is left, by the two letters of their keys. */
export async function lettersLeft(kept: KeptStore): Promise<string[]> {
  const chunks = (await kept.names()).filter((name) => /\/\d+$/.test(name));
  return [...new Set(chunks.map((name) => name.slice(3, 5)))];
}

function kept(inner: ChunkStore, real: Shelf, records: Records, end: () => Promise<void>): KeptStore {
  let nowMs = START_MS;
  const putAt = new Map<string, number>();
  const aged = ({ name, bytes }: Kept): Kept => {
    const atMs = putAt.get(name) ?? nowMs;
    putAt.set(name, atMs);
    return { name, bytes, ageMs: nowMs - atMs };
  };
  const bare = noting(inner, (name) => putAt.set(name, nowMs));
  const shelf: Shelf = {
    lentMs: real.lentMs,
    async *pages(folder) {
      for await (const page of real.pages(folder)) yield page.map(aged);
    },
    async ageOf(name) {
      if ((await real.ageOf(name)) === undefined) return undefined;
      return aged({ name, bytes: 0, ageMs: 0 }).ageMs;
    },
    async mark(name) {
      await real.mark(name);
      putAt.set(name, nowMs);
    },
    async claim(name, staleMs) {
      const ageMs = await shelf.ageOf(name);
      if (ageMs !== undefined && ageMs >= staleMs) await real.remove([name]);
      const isMine = await real.claim(name, staleMs);
      if (isMine) putAt.set(name, nowMs);
      return isMine;
    },
    remove: (names) => real.remove(names),
  };
  const now = () => nowMs;
  const another = () =>
    new UsedStore(
      bare,
      { used: new Recency(shelf, 'used', now), lent: new Recency(shelf, 'lent', now) },
      () => {},
    );
  return {
    store: another(),
    bare,
    shelf,
    dated: real,
    records,
    now,
    another,
    advance(ms) {
      nowMs += ms;
    },
    async names(folder = 'v1/') {
      const found: string[] = [];
      for await (const page of real.pages(folder)) found.push(...page.map(({ name }) => name));
      return found;
    },
    async [Symbol.asyncDispose]() {
      await inner.close();
      await end();
    },
  };
}

/** A store whose writes are noted by name. */
function noting(inner: ChunkStore, note: (name: string) => void): ChunkStore {
  return new Proxy(inner, {
    get(target, property) {
      const value = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      const path = PATHS[property as string];
      return async (...args: never[]) => {
        const result = await value.apply(target, args);
        if (path !== undefined) note(path(args[0] as never));
        return result;
      };
    },
  });
}

const PATHS: Readonly<Record<string, (of: never) => string>> = {
  write: chunkPath,
  writeFacts: factsPath,
  writeAccess: accessPath,
};

/** What `keepBlob` keeps. */
export interface BlobOptions {
  /** Default: 2. */
  readonly chunks?: number;
  readonly chunkBytes?: number;
  /** False for chunks that nothing leads to. */
  readonly hasFacts?: boolean;
  readonly source?: string;
  readonly isSealed?: boolean;
}

export const CHUNK_BYTES = 64 * 1024;

/** Keeps a blob under a key of two letters that repeat, its facts under another, and gives its facts. */
export async function keepBlob(
  store: ChunkStore,
  letters: string,
  options: BlobOptions = {},
): Promise<BlobFacts & { readonly addressKey: string }> {
  const { chunks = 2, chunkBytes = CHUNK_BYTES, hasFacts = true, isSealed = false } = options;
  const key = letters.repeat(32);
  const addressKey = `${letters}${'0'.repeat(62)}`;
  const made = Array.from({ length: chunks }, (_, index) => chunkOf(chunkBytes, `${letters} ${index}`));
  await Promise.all(made.map((chunk, index) => store.write({ key, chunkBytes, index }, chunk)));
  const facts: BlobFacts = {
    key,
    size: chunks * chunkBytes,
    chunkBytes,
    headers: {},
    confirmedAtMs: START_MS,
    source: options.source ?? `https://registry.test/v2/${letters}`,
    ...(isSealed ? { sealed: made.map(({ bytes }) => sha256(bytes)) } : {}),
  };
  if (hasFacts) await store.writeFacts(addressKey, facts);
  return { ...facts, addressKey };
}
