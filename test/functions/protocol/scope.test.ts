import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAddress } from '../../../functions/protocol/address.ts';

const test = suite('functions/protocol/scope');

const HEX = 'ab'.repeat(32);

for (const [url, scope] of [
  [`https://r.test/v2/app/blobs/sha256:${HEX}`, 'https://r.test/v2/app'],
  [`https://r.test/v2/team/app/manifests/sha256:${HEX}`, 'https://r.test/v2/team/app'],
  ['https://r.test/v2/team/app/manifests/v1.0', 'https://r.test/v2/team/app'],
  [`https://r.test:5000/v2/a/blobs/b/blobs/sha256:${HEX}`, 'https://r.test:5000/v2/a/blobs/b'],
  [`https://r.test/v2/app/blobs/sha256:${HEX}?ns=other.test`, 'https://r.test/v2/app?ns=other.test'],
  [`https://r.test/v2/app/blobs/sha256:${HEX}?X-Amz-Signature=s`, 'https://r.test/v2/app'],
] as const) {
  test(`is the repository for ${url.replace(HEX, '…')}`, () => {
    assert.is(parseAddress(url).scope, scope);
  });
}

test('tells repositories apart that a server may tell apart', () => {
  const urls = ['/v2/a/b', '/v2/a%2Fb', '/v2/A/b', '/v2/a/b/c', '/V2/a/b', '/x/v2/a/b'];
  const scopes = urls.map((path) => parseAddress(`https://r.test${path}/blobs/sha256:${HEX}`).scope);
  assert.is(new Set(scopes).size, urls.length);
});

for (const url of [
  'https://h.test/file?v=1',
  'https://h.test/v2/',
  'https://h.test/v2/blobs/x',
  'https://h.test/v2/app/tags/list',
  `https://h.test/v2/blobs/sha256/ab/${HEX}/data`,
  `https://h.test/x/v2/app/blobs/sha256:${HEX}`,
  'https://h.test/?u=/v2/app/blobs/x',
]) {
  test(`is the one URL for ${url.replace(HEX, '…')}`, () => {
    assert.is(parseAddress(url).scope, parseAddress(url).identity);
  });
}

test.run();
