import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseRegistryPath } from '../../../sidecar/entry/registry-path.ts';
import { throws } from '../../support/rejects.ts';

const test = suite('sidecar/entry/registry-path');

const DIGEST = `sha256:${'ab'.repeat(32)}`;

test('reads what the API of a registry is asked for', () => {
  const read = {
    '/v2': { kind: 'ping' },
    '/v2/': { kind: 'ping' },
    [`/v2/app/blobs/${DIGEST}`]: { kind: 'blob', name: 'app', digest: DIGEST },
    [`/v2/a/b_c/d--e.f/manifests/${DIGEST}`]: { kind: 'manifest', name: 'a/b_c/d--e.f', digest: DIGEST },
    '/v2/library/app/manifests/v1.2-rc_3': { kind: 'tag', name: 'library/app', tag: 'v1.2-rc_3' },
    '/v2/blobs/manifests/manifests/latest': { kind: 'tag', name: 'blobs/manifests', tag: 'latest' },
    '/v2/_catalog': { kind: 'other' },
    '/v2/app/tags/list': { kind: 'other' },
    [`/v2/app/referrers/${DIGEST}`]: { kind: 'other' },
    '/v2/app/blobs/uploads/0000-1111': { kind: 'other' },
  };
  for (const [path, parts] of Object.entries(read)) assert.equal(parseRegistryPath(path), parts, path);
});

test('leaves digests that are no sha-256 to the registry: they cannot be checked here', () => {
  const digest = `sha512:${'ab'.repeat(64)}`;
  assert.equal(parseRegistryPath(`/v2/app/blobs/${digest}`), { kind: 'other' });
  assert.equal(parseRegistryPath(`/v2/app/manifests/${digest}`), { kind: 'other' });
});

/** The registry API's code in an error's body. */
function codeOf(path: string): { status: number; code: string } {
  const { status, body } = throws('ADDRESS_INVALID', () => parseRegistryPath(path));
  return { status, code: JSON.parse(String(body)).errors[0].code };
}

for (const path of [
  `/v2/App/blobs/${DIGEST}`,
  `/v2/-app/blobs/${DIGEST}`,
  `/v2/app_/manifests/v1`,
  `/v2/a___b/manifests/v1`,
  `/v2/${'a'.repeat(256)}/manifests/v1`,
  `/v2/${'a/'.repeat(50)}-/manifests/v1`,
  '/v2/app//manifests/v1',
  '/v2//app/tags/list',
  '/v2/../etc/passwd',
  '/v2/app/../other/tags/list',
  '/v2/./app/tags/list',
  '/v2/app/tags/..',
  '/v2/a%2fb/manifests/v1',
  '/v2/app/manifests/%2e%2e',
  `/v2/app/blobs/sha256%3A${'ab'.repeat(32)}`,
  '/v2/app/tags/list%00',
  '/v2/app\\..\\b/tags/list',
  '/v2/app/tags/list\u0000',
  '/v2/äpp/tags/list',
]) {
  test(`takes ${JSON.stringify(path.slice(0, 60))} for no name`, () => {
    assert.equal(codeOf(path), { status: 400, code: 'NAME_INVALID' });
  });
}

for (const digest of [
  `sha256:${'AB'.repeat(32)}`,
  `sha256:${'ab'.repeat(31)}`,
  `sha256:${'ab'.repeat(32)}0`,
  'sha256:',
  ':ab',
  'latest',
]) {
  test(`takes "${digest.slice(0, 20)}…" of ${digest.length} characters for no digest of a blob`, () => {
    assert.equal(codeOf(`/v2/app/blobs/${digest}`), { status: 400, code: 'DIGEST_INVALID' });
  });
}

test('knows no manifest under what can be no tag', () => {
  for (const tag of ['.hidden', '-v1', 'a'.repeat(129), 'a+b', '@v1']) {
    assert.equal(codeOf(`/v2/app/manifests/${tag}`), { status: 404, code: 'MANIFEST_UNKNOWN' }, tag);
  }
});

test('reads long names that are nearly right without trying every way to split them', () => {
  // An expression that backtracks would not come back from these.
  throws('ADDRESS_INVALID', () => parseRegistryPath(`/v2/${'a-'.repeat(30_000)}/manifests/v1`));
  throws('ADDRESS_INVALID', () => parseRegistryPath(`/v2/${'a'.repeat(60_000)}!/manifests/v1`));
});

test.run();
