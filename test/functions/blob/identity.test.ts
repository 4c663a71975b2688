import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addressKey, blobKey } from '../../../functions/blob/identity.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { digestPath } from '../../support/reader.ts';

const test = suite('functions/blob/identity');

const HEX = 'ab'.repeat(32);
const DATE = 'Wed, 01 Jan 2020 00:00:00 GMT';
const PLAIN = parseAddress('http://a.test/file?v=1');

test('is the digest where the address names one, whoever serves it and whatever he says of it', () => {
  for (const url of [`http://a.test${digestPath(HEX)}`, `https://b.test${digestPath(HEX)}?x=1`]) {
    const address = parseAddress(url);
    assert.is(addressKey(address), `sha256:${HEX}`);
    assert.is(blobKey(address, 1, '"a"', DATE), `sha256:${HEX}`);
    assert.is(blobKey(address, 2, undefined, undefined), `sha256:${HEX}`);
  }
});

test('keeps versions apart by strong ETag, by date and size, and by address', () => {
  const other = parseAddress('http://a.test/file?v=2');
  const keys = [
    blobKey(PLAIN, 1, '"a"', DATE),
    blobKey(PLAIN, 1, '"b"', DATE),
    blobKey(PLAIN, 2, '"a"', DATE),
    blobKey(PLAIN, 1, undefined, DATE),
    blobKey(PLAIN, 2, undefined, DATE),
    blobKey(PLAIN, 1, undefined, 'Thu, 02 Jan 2020 00:00:00 GMT'),
    blobKey(other, 1, '"a"', DATE),
  ];
  for (const key of keys) assert.match(key ?? '', /^[0-9a-f]{64}$/);
  assert.is(new Set(keys).size, keys.length);
});

test('goes by the date where the ETag is weak, and by the ETag alone where it is strong', () => {
  assert.is(blobKey(PLAIN, 1, 'W/"a"', DATE), blobKey(PLAIN, 1, 'W/"b"', DATE));
  assert.is(blobKey(PLAIN, 1, '"a"', DATE), blobKey(PLAIN, 1, '"a"', undefined));
});

test('is nothing where nothing tells versions apart', () => {
  assert.is(blobKey(PLAIN, 1, undefined, undefined), undefined);
  assert.is(blobKey(PLAIN, 1, 'W/"a"', undefined), undefined);
});

test.run();
