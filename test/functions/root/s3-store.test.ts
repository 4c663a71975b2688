import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import * as assert from 'uvu/assert';
import { KiB } from '../../../functions/blob/chunk.ts';
import { chunkPath } from '../../../functions/blob/path.ts';
import { S3Bucket } from '../../../functions/root/s3-bucket.ts';
import { S3Store } from '../../../functions/root/s3-store.ts';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { listen } from '../../support/app.ts';
import { sha256 } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import { gate } from '../../support/gate.ts';
import { startMinio } from '../../support/minio.ts';
import {
  httpClient,
  type OpenedS3,
  openS3,
  openStore,
  type S3Settings,
  settingsOn,
} from '../../support/opened-s3.ts';
import { need } from '../../support/programs.ts';
import { rejects } from '../../support/rejects.ts';
import type { S3Server } from '../../support/s3-server.ts';
import { BARE_KEY, chunkOf, fullFacts, idOf, KEY, sameChunk } from '../../support/samples.ts';
import { storeContract } from '../../support/store-contract.ts';

const NAME = 'functions/root/s3-store';

// One server for all tests, for it takes a second to start; each store has a prefix of its own.
let server: Promise<S3Server> | undefined;

const minio = (): Promise<S3Server> => {
  server ??= startMinio();
  return server;
};

const settingsOf = async (part?: Partial<S3Settings>): Promise<S3Settings> => settingsOn(await minio(), part);
const open = async (part?: Partial<S3Settings>): Promise<OpenedS3> => openS3(await settingsOf(part));

const suite = storeContract(NAME, open, { durable: true, spoilable: true });
const test = need(suite, NAME, 'minio');

test('keeps a chunk as one object below its prefix, with its digest beside it', async () => {
  await using opened = await open();
  const chunk = chunkOf(1000, 'object');
  await opened.store.write(idOf(), chunk);
  const found = await opened.client.send(new GetObjectCommand(opened.at(chunkPath(idOf()))));
  assert.is(sha256((await found.Body?.transformToByteArray()) ?? new Uint8Array()), chunk.sha256);
  assert.equal(found.Metadata, { sha256: chunk.sha256 });
});

test('tells where a chunk can be read by anyone for a quarter of an hour, and nothing of one that is not there', async () => {
  await using opened = await open();
  const chunk = chunkOf(1000, 'located');
  assert.is(await opened.store.locate?.(idOf()), undefined);
  await opened.store.write(idOf(), chunk);
  const before = Date.now();
  const located = await opened.store.locate?.(idOf());
  assert.is(located?.sha256, chunk.sha256);
  assert.is(located?.length, 1000);
  const lifeMs = (located?.untilMs ?? 0) - before;
  assert.ok(lifeMs > 0 && lifeMs <= 15 * 60_000 + 1_000, `${lifeMs} ms`);
  const answer = await get(located?.url ?? '');
  assert.is(answer.status, 200);
  assert.is(answer.digest, chunk.sha256);
});

test('keeps what two stores with other prefixes have apart', async () => {
  await using one = await open({ Prefix: 'apart-1/' });
  await using two = await open({ Prefix: 'apart-2' });
  await one.store.write(idOf(), chunkOf(10, 'one'));
  assert.is(await two.store.read(idOf()), undefined);
  await two.store.remove(KEY);
  sameChunk(await one.store.read(idOf()), chunkOf(10, 'one'));
});

test('does not put what was removed before its turn came, and says so to whoever wrote it', async () => {
  const http = httpClient();
  const turn = gate();
  const store = new S3Store(await S3Bucket.open(await settingsOf(), http), {
    take: async (write) => {
      await turn.opened;
      return write();
    },
  });
  const [removed, other] = [idOf(), idOf({ key: BARE_KEY })];
  const failing = rejects('STORE_WRITE_FAILED', store.write(removed, chunkOf(10, 'removed')));
  const writing = store.write(other, chunkOf(10, 'other'));
  await store.remove(KEY);
  turn.open();
  await failing;
  await writing;
  assert.is(await store.read(removed), undefined);
  sameChunk(await store.read(other), chunkOf(10, 'other'));
  await store.close();
  await http.close();
});

test('closes its bucket only when what was still being digested at close is put', async () => {
  const http = httpClient();
  const bucket = await S3Bucket.open(await settingsOf(), http);
  const happened: string[] = [];
  const store = new S3Store(
    new Proxy(bucket, {
      get: (target, name) => {
        if (name === 'close') return () => void happened.push('closed');
        if (name !== 'put') return Reflect.get(target, name);
        return async (...put: Parameters<S3Bucket['put']>): Promise<void> => {
          await bucket.put(...put);
          happened.push('put');
        };
      },
    }),
  );
  // Without a digest, and long enough that another thread makes it.
  const writing = store.write(idOf(), { bytes: chunkOf(500 * KiB, 'close').bytes });
  await store.close();
  assert.equal(happened, ['put', 'closed']);
  await writing;
  bucket.close();
  await http.close();
});

test('makes the bucket where there is none', async () => {
  await using opened = await open({ Bucket: `made-${Date.now()}`, Prefix: '' });
  await opened.store.write(idOf(), chunkOf(10, 'made'));
  sameChunk(await opened.store.read(idOf()), chunkOf(10, 'made'));
});

test('never gives back an object without a digest, too long a one, or an empty one, and removes it', async () => {
  await using opened = await open();
  const id = idOf({ chunkBytes: 1024 });
  const chunk = chunkOf(1025, 'long');
  const objects = [
    { Body: chunkOf(100, 'bare').bytes },
    { Body: chunk.bytes, Metadata: { sha256: sha256(chunk.bytes) } },
    { Body: new Uint8Array(), Metadata: { sha256: sha256(new Uint8Array()) } },
  ];
  for (const object of objects) {
    const at = opened.at(chunkPath(id));
    await opened.client.send(new PutObjectCommand({ ...at, ...object }));
    assert.is(await opened.store.read(id), undefined);
    const left = await opened.client.send(new GetObjectCommand(at)).catch((error: Error) => error.name);
    assert.is(left, 'NoSuchKey');
  }
});

test('removes a key of more objects than one page of a list has', async () => {
  await using opened = await open();
  const { client, store, at } = opened;
  const ids = Array.from({ length: 1100 }, (_, index) => idOf({ index }));
  for (let from = 0; from < ids.length; from += 50) {
    await Promise.all(
      ids
        .slice(from, from + 50)
        .map((id) => client.send(new PutObjectCommand({ ...at(chunkPath(id)), Body: 'x' }))),
    );
  }
  await store.write(idOf({ key: BARE_KEY }), chunkOf(10, 'kept'));
  await store.writeFacts(KEY, fullFacts());
  await store.remove(KEY);
  for (const id of [ids[0], ids[999], ids[1000], ids[1099]]) {
    const found = await client
      .send(new GetObjectCommand(at(chunkPath(id ?? idOf()))))
      .catch((error: Error) => error.name);
    assert.is(found, 'NoSuchKey');
  }
  sameChunk(await store.read(idOf({ key: BARE_KEY })), chunkOf(10, 'kept'));
});

test('says CONFIG_INVALID with what S3 said when it opens with wrong keys or at a wrong place', async () => {
  const http = httpClient();
  for (const part of [
    { SecretAccessKey: 'wrong' },
    { AccessKeyId: 'nobody' },
    { Endpoint: 'http://127.0.0.1:1' },
  ]) {
    const settings = await settingsOf(part);
    const error = await rejects('CONFIG_INVALID', openStore(settings, http));
    assert.match(error.message, settings.Endpoint);
    assert.not.match(error.message, settings.SecretAccessKey ?? '-');
  }
  await http.close();
});

test('fails to read and to write, and calls neither a miss, when S3 is away', async () => {
  const gone = await startMinio();
  const http = httpClient();
  const store = await openStore(
    {
      Endpoint: gone.endpoint,
      Region: gone.region,
      AccessKeyId: gone.accessKeyId,
      SecretAccessKey: gone.secretAccessKey,
      Bucket: gone.bucket,
      Prefix: '',
    },
    http,
  );
  await store.write(idOf(), chunkOf(10 * KiB, 'away'));
  await gone[Symbol.asyncDispose]();
  await rejects('STORE_READ_FAILED', store.read(idOf()));
  await rejects('STORE_READ_FAILED', store.readFacts(KEY));
  await rejects('STORE_WRITE_FAILED', store.write(idOf({ index: 1 }), chunkOf(10, 'away')));
  await rejects('STORE_WRITE_FAILED', store.remove(KEY));
  await store.close();
  await http.close();
});

test('gives up on an S3 that takes connections and says nothing, and soon fails at once', async () => {
  // Broke: the SDK waits for ever, and every cold read with it.
  let isHung = false;
  let asked = 0;
  await using silent = await listen((request, response) => {
    if (isHung) asked += 1;
    else if (request.method === 'HEAD') response.end();
  });
  const http = new HttpClient({ connectMs: 100, firstByteMs: 200, idleMs: 200, connections: 4 });
  const settings = {
    Endpoint: silent.url,
    Region: 'us-east-1',
    AccessKeyId: 'key',
    SecretAccessKey: 'secret',
    Bucket: 'bucket',
    Prefix: '',
  };
  const store = await openStore(settings, http);
  isHung = true;
  await rejects('STORE_READ_FAILED', store.readFacts(KEY));
  const tried = asked;
  await rejects('STORE_READ_FAILED', store.read(idOf()));
  await rejects('STORE_WRITE_FAILED', store.write(idOf(), chunkOf(10, 'hung')));
  await rejects('STORE_WRITE_FAILED', store.remove(KEY));
  assert.is(asked, tried, 'what has just hung is left alone');
  const error = await rejects('CONFIG_INVALID', openStore(settings, http));
  assert.match(error.message, 'no answer in 300 ms');
  await store.close();
  await http.close();
});

test('ends its server', async () => {
  const running = await minio();
  await running[Symbol.asyncDispose]();
  const http = httpClient();
  await rejects(
    'UPSTREAM_UNREACHABLE',
    http.request({ url: running.endpoint, method: 'GET', headers: {} }, new AbortController().signal),
  );
  await http.close();
});

test.run();
