import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addressKey, blobKey, claimKey, rightOf } from '../../../functions/blob/identity.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { digestPath } from '../../support/reader.ts';

const test = suite('functions/blob/identity');

const HEX = 'ab'.repeat(32);
const DATE = 'Wed, 01 Jan 2020 00:00:00 GMT';
const PLAIN = parseAddress('http://a.test/file?v=1');

test('files what is proven of a digest under the digest, whoever serves it', () => {
  for (const url of [`http://a.test${digestPath(HEX)}`, `https://b.test${digestPath(HEX)}?x=1`]) {
    assert.is(addressKey(parseAddress(url)), `sha256:${HEX}`);
  }
});

test('keeps what is said of a digest in each scope apart, and the chunks of each origin and size', () => {
  const address = parseAddress(`http://a.test${digestPath(HEX)}`);
  const signed = parseAddress(`http://a.test${digestPath(HEX)}?X-Amz-Signature=1`);
  const other = parseAddress(`http://a.test${digestPath(HEX).replace('/img/', '/other/')}`);
  const elsewhere = parseAddress(`http://b.test${digestPath(HEX)}`);
  assert.is(claimKey(signed), claimKey(address));
  assert.is.not(claimKey(elsewhere), claimKey(address));
  assert.is.not(claimKey(other), claimKey(address));
  assert.is(blobKey(address, 1, '"a"', DATE), blobKey(other, 1, undefined, undefined));
  assert.is.not(blobKey(address, 2, '"a"', DATE), blobKey(address, 1, '"a"', DATE));
  assert.is.not(blobKey(elsewhere, 1, '"a"', DATE), blobKey(address, 1, '"a"', DATE));
  assert.is(claimKey(PLAIN), addressKey(PLAIN));
});

test('keeps the chunks apart of what is no registry, whose folders may be of many people', () => {
  const keys = [`/a/blobs/sha256:${HEX}`, `/b/blobs/sha256:${HEX}`, digestPath(HEX)].map((path) =>
    blobKey(parseAddress(`http://store.test${path}`), 1, undefined, undefined),
  );
  assert.is(new Set(keys).size, keys.length);
});

test("keeps each repository's word on a manifest apart, and all of them from what is said of a blob", () => {
  // The digest proves the bytes; the media type beside them, which says how to read them, is only said.
  const blob = parseAddress(`http://a.test${digestPath(HEX)}`);
  const manifests = ['http://a.test/v2/img', 'http://a.test/v2/other', 'http://b.test/v2/img'].map(
    (repository) => parseAddress(`${repository}/manifests/sha256:${HEX}`),
  );
  const keys = [...manifests, blob].map(addressKey);
  assert.is(new Set(keys).size, keys.length);
  for (const address of manifests) assert.is(claimKey(address), addressKey(address));
  assert.is.not(claimKey(blob), claimKey(manifests[0] as typeof blob));
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

test('needs a right to the scope of what a digest names, and to the very version of anything else', () => {
  const address = parseAddress(`http://a.test${digestPath(HEX)}`);
  assert.is(rightOf(address, { key: 'version' }), 'http://a.test/v2/img');
  assert.is(rightOf(PLAIN, { key: 'version' }), 'version');
  assert.is(rightOf(PLAIN, undefined), PLAIN.identity);
});

test.run();
