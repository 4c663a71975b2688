import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chunkPath, factsPath, isCachePath, keyPath } from '../../../functions/blob/path.ts';
import { BARE_KEY, idOf, KEY } from '../../support/samples.ts';

const test = suite('functions/blob/path');

const HEX = 'a1'.repeat(32);

test('puts a chunk below its hash, key and chunk size', () => {
  assert.is(chunkPath(idOf({ index: 7 })), `v1/a1/sha256-${HEX}/4194304/7`);
  assert.is(chunkPath(idOf({ key: BARE_KEY, chunkBytes: 1024 })), `v1/b2/${BARE_KEY}/1024/0`);
  assert.is(factsPath(KEY), `v1/a1/sha256-${HEX}/blob.json`);
  assert.ok(chunkPath(idOf()).startsWith(`${keyPath(KEY)}/`));
});

test('knows its own paths', () => {
  for (const path of [
    chunkPath(idOf()),
    chunkPath(idOf({ index: 2 ** 31 })),
    factsPath(KEY),
    factsPath(BARE_KEY),
  ]) {
    assert.ok(isCachePath(path), path);
  }
});

test('takes no other path for its own', () => {
  const own = chunkPath(idOf());
  for (const path of [
    '',
    'v1',
    `/${own}`,
    `${own}/`,
    `${own}.tmp`,
    `${own}\n`,
    `x${own}`,
    own.replace('v1', 'v2'),
    own.replace('sha256-', 'sha512-'),
    own.replace('sha256-', 'sha256:'),
    own.replace('a1a1', 'A1A1'),
    own.replace('/4194304', ''),
    own.replace('/4194304', '/4194304/4194304'),
    `${keyPath(KEY)}/blob.json.bak`,
    `${keyPath(KEY)}/../x`,
    'v1/.tmp/x',
  ]) {
    assert.not(isCachePath(path), path);
  }
});

test.run();
