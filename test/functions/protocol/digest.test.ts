import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatContentDigest, parseContentDigest, parseDigest } from '../../../functions/protocol/digest.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';

const test = suite('functions/protocol/digest');

const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('reads a sha-256 digest', () => {
  assert.is(parseDigest(`sha256:${EMPTY}`), `sha256:${EMPTY}`);
});

for (const text of [
  '',
  'sha256:',
  EMPTY,
  `sha256:${EMPTY.slice(1)}`,
  `sha256:${EMPTY}0`,
  `sha256:${EMPTY.toUpperCase()}`,
  `SHA256:${EMPTY}`,
  `sha512:${EMPTY}`,
  ` sha256:${EMPTY}`,
  `sha256:${EMPTY}\n`,
  `sha256:${'g'.repeat(64)}`,
]) {
  test(`takes ${JSON.stringify(text)} for no digest`, () => {
    assert.is(parseDigest(text), undefined);
  });
}

test('writes Content-Digest as RFC 9530 does', () => {
  assert.is(formatContentDigest(EMPTY), 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:');
});

test('reads back what it writes', () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const hex = sha256(blobOf(8, seed));
    assert.is(parseContentDigest(formatContentDigest(hex)), hex);
  }
});

test('finds the sha-256 among other digests', () => {
  const own = formatContentDigest(EMPTY);
  assert.is(parseContentDigest(`sha-512=:AAAA:, ${own}`), EMPTY);
  assert.is(parseContentDigest(`${own}, md5=:AAAA:`), EMPTY);
  assert.is(parseContentDigest(`md5=:AAAA:,${own}`), EMPTY);
});

for (const header of [
  undefined,
  '',
  'sha-256',
  'sha-256=:AAAA:',
  'sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  'x-sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:',
  'sha-512=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:',
]) {
  test(`finds no sha-256 in ${JSON.stringify(header) ?? 'an absent header'}`, () => {
    assert.is(parseContentDigest(header), undefined);
  });
}

test.run();
