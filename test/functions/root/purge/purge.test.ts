import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chunkPath } from '../../../../functions/blob/path.ts';
import { parseTarget } from '../../../../functions/root/purge/order.ts';
import { type PurgeParts, purge } from '../../../../functions/root/purge/purge.ts';
import { COOL_DOWN_MS } from '../../../../functions/root/recency.ts';
import { Rules } from '../../../../functions/service/rules.ts';
import { get } from '../../../support/client.ts';
import {
  CHUNK_BYTES,
  type KeptStore,
  keepBlob,
  keptPlaces,
  lettersLeft,
  openKeptFolder,
} from '../../../support/kept-store.ts';
import { need } from '../../../support/programs.ts';
import { throws } from '../../../support/rejects.ts';

const NAME = 'functions/root/purge/purge';
const test = suite(NAME);
const real = need(test, NAME, 'minio');
const { places, openBucket } = keptPlaces(test, real);

const HUB = 'https://registry-1.docker.io';
const NAMES = {
  mirror: { Default: HUB, Registries: { 'local.test': 'http://127.0.0.1:5000' } },
  rules: new Rules([]),
};

const target = (order: object) => parseTarget(order, NAMES);

interface Released {
  readonly names: string[];
}

const partsOf = (kept: KeptStore, released: Released = { names: [] }): PurgeParts => ({
  shelf: kept.shelf,
  store: kept.bare,
  release: async (addressKey) => void released.names.push(addressKey),
  now: kept.now,
});

const always = () => true;

test('takes names of images, URLs and origins for what was learnt there', () => {
  const source = (order: object) => (target(order) as { source?: string }).source;
  assert.is(source({ repository: 'alpine' }), `${HUB}/v2/library/alpine`);
  assert.is(source({ repository: 'ghcr.io/a/b' }), 'https://ghcr.io/v2/a/b');
  assert.is(source({ repository: 'local.test/a' }), 'http://127.0.0.1:5000/v2/a');
  assert.is(source({ repository: 'https://h.test/files/?sig=1' }), 'https://h.test/files/');
  assert.is(source({ origin: 'https://ghcr.io' }), 'https://ghcr.io/');
  assert.is(target({ blob: `sha256:${'a'.repeat(64)}` }).kind, 'digest');
  assert.is(target({ blob: 'https://h.test/x' }).kind, 'address');
  for (const bad of [null, {}, { blob: 1 }, { blob: 'sha256:x' }, { origin: 'https://a', repository: 'b' }]) {
    throws('API_REQUEST_INVALID', () => parseTarget(bad, NAMES));
  }
});

for (const [where, each, open] of places) {
  each(`${where}: removes what has just been put`, async () => {
    await using kept = await open();
    const source = `${HUB}/v2/library/alpine`;
    const parts = { ...partsOf(kept), shelf: kept.dated };
    for (const key of ['aa', 'bb', 'cc', 'dd', 'ee']) {
      await keepBlob(kept.bare, key, { source });
      const { blobs, lent } = await purge(target({ repository: 'alpine' }), parts, always);
      assert.equal({ blobs, lent }, { blobs: 1, lent: { blobs: 0, waitMs: 0 } });
    }
    assert.equal(await lettersLeft(kept), []);
  });

  each(
    `${where}: forgets a repository, or an origin, and nothing else, and is done when done once`,
    async () => {
      await using kept = await open();
      const alpine = await keepBlob(kept.bare, 'aa', { source: `${HUB}/v2/library/alpine` });
      await keepBlob(kept.bare, 'bb', { source: `${HUB}/v2/library/alpine-git` });
      await keepBlob(kept.bare, 'cc', { source: 'https://ghcr.io/v2/library/alpine' });
      const released: Released = { names: [] };
      const report = await purge(target({ repository: 'alpine' }), partsOf(kept, released), always);
      assert.equal([report.addresses, report.blobs, report.isDone], [1, 1, true]);
      assert.is(report.bytes, (await kept.names()).length > 0 ? report.bytes : -1);
      assert.ok(report.bytes >= 2 * CHUNK_BYTES);
      assert.equal(released.names, [alpine.addressKey]);
      assert.equal(await lettersLeft(kept), ['bb', 'cc']);
      assert.is(await kept.bare.readFacts(alpine.addressKey), undefined);
      const again = await purge(target({ repository: 'alpine' }), partsOf(kept), always);
      assert.equal([again.addresses, again.blobs, again.bytes], [0, 0, 0]);
      await purge(target({ origin: HUB }), partsOf(kept), always);
      assert.equal(await lettersLeft(kept), ['cc']);
    },
  );
}

real('leaves chunks that were handed out for as long as they may be read, and tells how long', async () => {
  await using kept = await openBucket();
  const { key, addressKey } = await keepBlob(kept.bare, 'aa', { source: `${HUB}/v2/library/alpine` });
  const id = { key, chunkBytes: CHUNK_BYTES, index: 0 };
  const located = await kept.store.locate?.(id);
  const order = target({ repository: 'alpine' });
  const early = await purge(order, partsOf(kept), always);
  assert.equal([early.addresses, early.blobs, early.lent.blobs], [1, 0, 1]);
  assert.ok(early.lent.waitMs > COOL_DOWN_MS);
  assert.is((await get(located?.url ?? '')).status, 200);
  assert.is(await kept.bare.readFacts(addressKey), undefined, 'nothing leads there any more');
  // Where nobody was sent to them they go at once.
  await keepBlob(kept.bare, 'bb', { source: `${HUB}/v2/library/alpine` });
  assert.is((await purge(order, partsOf(kept), always)).blobs, 1);
  assert.ok((await kept.names()).includes(chunkPath(id)));
});

test('stops when its time is over, and goes on from there', async () => {
  await using kept = await openKeptFolder();
  for (const letters of ['00', '7f', 'ff'])
    await keepBlob(kept.bare, letters, { chunks: 400, chunkBytes: 16 });
  const order = target({ repository: 'https://registry.test/v2/ff' });
  let report = await purge(order, partsOf(kept), () => false);
  assert.equal([report.isDone, report.next], [false, 0]);
  let looks = 0;
  const hasTime = () => {
    looks += 1;
    return looks % 3 !== 0;
  };
  for (let rounds = 0; !report.isDone; rounds += 1) {
    report = await purge(order, partsOf(kept), hasTime, report.next === 0 ? 16 : report.next);
    assert.ok(rounds < 20, 'it never ends');
  }
  assert.is(report.blobs, 1);
  assert.equal(await lettersLeft(kept), ['00', '7f']);
});

test.run();
