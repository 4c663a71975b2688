import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Catalog } from '../../../functions/blob/catalog.ts';
import { MiB } from '../../../functions/blob/chunk.ts';
import { MemoryStore } from '../../../functions/blob/memory.ts';
import { told } from '../../support/reader.ts';
import { plainFacts } from '../../support/samples.ts';

const test = suite('functions/blob/catalog');

test('holds no more facts in memory than fit its limit in bytes, and finds the others in the store', async () => {
  // Broke: 10,000 facts were held whatever their size, and those of one large sealed blob are megabytes.
  const kept = new Map<string, ReturnType<typeof plainFacts>>();
  let reads = 0;
  const store = new MemoryStore({ maxBytes: MiB });
  store.writeFacts = async (name, facts) => void kept.set(name, facts);
  store.readFacts = async (name) => {
    reads += 1;
    return kept.get(name);
  };
  const catalog = new Catalog(store, told());
  const sealed = Array.from({ length: 100_000 }, () => 'c3'.repeat(32));
  for (let n = 0; n < 10; n += 1) await catalog.remember(`k${n}`, { ...plainFacts(), sealed });
  assert.ok(await catalog.find('k9'));
  assert.is(reads, 0);
  assert.ok(await catalog.find('k0'));
  assert.is(reads, 1);
});

test('expires facts in the store too', async () => {
  const store = new MemoryStore({ maxBytes: MiB });
  const catalog = new Catalog(store, told());
  await catalog.expire('unknown');
  await catalog.remember('known', { ...plainFacts(), freshUntilMs: Number.MAX_SAFE_INTEGER });
  await catalog.expire('known');
  assert.is((await catalog.find('known'))?.freshUntilMs, 0);
  assert.is((await new Catalog(store, told()).find('known'))?.freshUntilMs, 0);
  assert.is(await catalog.find('unknown'), undefined);
});

test.run();
