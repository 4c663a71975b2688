import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSettings } from '../../functions/service/config/load.ts';
import { Rules } from '../../sidecar/rules.ts';

const test = suite('sidecar/rules');

test('lets the first rule that matches decide', () => {
  const rules = new Rules([
    { Match: '/secret/', Action: 'deny' },
    { Match: '\\.bin$', Action: 'accelerate' },
    { Match: '.*', Action: 'pass' },
  ]);
  assert.is(rules.decide('http://a.test/secret/x.bin'), 'deny');
  assert.is(rules.decide('http://a.test/x.bin'), 'accelerate');
  assert.is(rules.decide('http://a.test/x.bin?y'), 'pass');
});

test('passes on what no rule matches', () => {
  assert.is(new Rules([]).decide('http://a.test/'), 'pass');
});

const HEX = 'ab'.repeat(32);

for (const [url, action] of [
  [`http://r.test/v2/library/x/blobs/sha256:${HEX}`, 'accelerate'],
  [`http://r.test/v2/blobs/sha256/ab/${HEX}/data`, 'accelerate'],
  [`http://s3.test/docker/registry/v2/blobs/sha256/ab/${HEX}/data?X-Amz-Signature=1`, 'accelerate'],
  ['http://r.test/v2/', 'pass'],
  ['http://r.test/v2/library/x/manifests/latest', 'pass'],
  [`http://r.test/v2/library/x/manifests/sha256:${HEX}`, 'pass'],
  ['http://r.test/v2/library/x/blobs/uploads/', 'pass'],
  ['http://r.test/v2/library/x/blobs/sha256:abc', 'pass'],
  ['http://a.test/', 'pass'],
] as const) {
  test(`by default: ${action} ${url}`, () => {
    const settings = loadSettings({ text: 'P2PConfig: { RootList: ["r.test:1"] }', file: 'test', env: {} });
    assert.is(new Rules(settings.ProxyConfig.Rules).decide(url), action);
  });
}

test.run();
