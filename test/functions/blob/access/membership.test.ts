import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../../../support/blob-of.ts';
import { gate } from '../../../support/gate.ts';
import { startOrigin } from '../../../support/origin.ts';
import { startPrivateOrigin } from '../../../support/private-origin.ts';
import { CHUNK, digestPath, openReader, readBroken, type TestReader } from '../../../support/reader.ts';
import { rejects } from '../../../support/rejects.ts';

const test = suite('functions/blob/access/membership');

const BYTES = blobOf(3 * CHUNK + 1, 'private');
const PATH = digestPath(sha256(BYTES));
/** What somebody has put under the digest of another's blob, to be given that. */
const DECOY = blobOf(BYTES.length, 'decoy');
const ALICE = { headers: { authorization: 'Bearer alice' } };
const FIRST = { start: 0, end: 100 };

const same = (read: Buffer, wanted = BYTES) => assert.is(sha256(read), sha256(wanted));

/** An origin whose blob alice alone may read, and has. */
async function warm(kit: TestReader) {
  const origin = await startPrivateOrigin({ alice: ['img'] });
  const url = origin.put(PATH, BYTES);
  const read = async () => {
    same(await kit.read(url, undefined, ALICE));
    await kit.reader.settled();
  };
  return Object.assign(origin, { read });
}

async function getsTheDecoy(kit: TestReader, url: string) {
  same(await kit.read(url, FIRST), DECOY.subarray(0, 100));
  const { bytes, error } = await readBroken(await kit.open(url));
  assert.is((error as { code?: string }).code, 'DIGEST_MISMATCH');
  assert.ok(DECOY.subarray(0, bytes.length).equals(bytes));
}

for (const when of ['before', 'after'] as const) {
  test(`gives nobody a private blob for its digest and size, claimed by an origin of theirs ${when} it was cached`, async () => {
    await using kit = openReader();
    await using origin = await warm(kit);
    await using theirs = await startOrigin();
    const url = theirs.put(PATH, DECOY);
    if (when === 'before') await kit.open(url);
    await origin.read();
    await getsTheDecoy(kit, url);
    origin.forget();
    await origin.read();
    assert.is(origin.hits.length, 0, 'what alice has read is still there');
  });
}

test('keeps what is cached in part by the folder of a host of many: neither given to others nor put there by them', async () => {
  await using host = await startOrigin();
  const name = PATH.split('/').at(-1);
  const [mine, theirs] = [`/a/blobs/${name}`, `/b/blobs/${name}`];
  for (const order of [
    [mine, theirs],
    [theirs, mine],
  ]) {
    await using kit = openReader();
    for (const path of order) {
      const bytes = path === mine ? BYTES : DECOY;
      same(await kit.read(host.put(path, bytes), FIRST), bytes.subarray(0, 100));
      await kit.reader.settled();
    }
  }
});

test('asks an origin for one sample of what is cached from elsewhere, for all who ask meanwhile', async () => {
  await using kit = openReader();
  await using origin = await warm(kit);
  await using mirror = await startOrigin();
  await origin.read();
  const url = mirror.put(PATH, BYTES, { headers: { 'content-type': 'application/x-mine' }, etag: 'mine' });
  const open = gate();
  mirror.refuses = () => open.opened.then(() => undefined);
  const reads = Array.from({ length: 10 }, () => kit.read(url));
  open.open();
  for (const read of await Promise.all(reads)) same(read);
  assert.is(mirror.hits.filter(({ method }) => method === 'GET').length, 1);
  assert.is(mirror.bytesSent, 4096);
});

test('tells of a blob that came from elsewhere what its own origin says of it', async () => {
  await using kit = openReader();
  await using origin = await startOrigin();
  await using mirror = await startOrigin();
  await kit.read(origin.put(PATH, BYTES, { etag: 'theirs', headers: { 'x-theirs': '1' } }));
  await kit.reader.settled();
  const { facts } = await kit.open(mirror.put(PATH, BYTES, { etag: 'mine', headers: { 'x-mine': '1' } }));
  assert.is(facts.etag, '"mine"');
  assert.is(facts.headers['x-mine'], '1');
  assert.is(facts.headers['x-theirs'], undefined);
});

test('reads from an origin that cannot send a sample what it has, and believes it once that was hashed', async () => {
  await using kit = openReader();
  await using origin = await warm(kit);
  await using mirror = await startOrigin({ always: { ignoreRange: true } });
  await origin.read();
  const url = mirror.put(PATH, BYTES);
  same(await kit.read(url));
  await kit.reader.settled();
  mirror.forget();
  same(await kit.read(url));
  assert.is(mirror.hits.length, 0);
});

test('passes on what the origin refuses of the sample', async () => {
  await using kit = openReader();
  await using origin = await warm(kit);
  await using mirror = await startOrigin();
  await origin.read();
  const url = mirror.put(PATH, BYTES);
  mirror.refuses = ({ method }) => (method === 'GET' ? { status: 403 } : undefined);
  assert.is((await rejects('UPSTREAM_REFUSED', kit.open(url))).status, 403);
});

test.run();
