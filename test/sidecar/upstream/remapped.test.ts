import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { restoreRemapped } from '../../../sidecar/upstream/remapped.ts';

const test = suite('sidecar/upstream/remapped');

test('a HEAD has the length that the root said, a GET that of its body, and both the challenge', () => {
  const headers = {
    etag: '"a"',
    'content-length': '0',
    'x-amzn-remapped-content-length': '7',
    'x-amzn-remapped-connection': 'close',
    'x-amzn-remapped-www-authenticate': 'Bearer realm="x"',
  };
  const said = { etag: '"a"', 'www-authenticate': 'Bearer realm="x"' };
  assert.equal(restoreRemapped(headers, 'HEAD'), { ...said, 'content-length': '7' });
  assert.equal(restoreRemapped(headers, 'GET'), { ...said, 'content-length': '0' });
});

test('headers of a root that no platform stands before are as they came', () => {
  const headers = { 'content-length': '7', 'www-authenticate': 'Basic realm="y"' };
  assert.is(restoreRemapped(headers, 'GET'), headers);
});

test.run();
