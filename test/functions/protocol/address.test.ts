import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAddress, parsePrefixTarget, redact } from '../../../functions/protocol/address.ts';
import { throws } from '../../support/rejects.ts';

const test = suite('functions/protocol/address');

const HEX = `ab${'12'.repeat(31)}`;
const identity = (url: string) => parseAddress(url).identity;
const digest = (url: string) => parseAddress(url).digest;

test('keeps the URL as asked, its query and its double slashes included', () => {
  for (const url of [
    'http://h.test/',
    'https://h.test:8443/a//b/c',
    'http://h.test/a%2Fb?x=%20&y=1;2&z',
    'http://h.test/a?url=http://other.test/b//c?d',
    'http://[::1]:5000/v2/',
  ]) {
    assert.is(parseAddress(url).url, url);
  }
});

test('names the origin without its default port', () => {
  assert.is(parseAddress('http://H.test:80/a').origin, 'http://h.test');
  assert.is(parseAddress('https://h.test:443/a').origin, 'https://h.test');
  assert.is(parseAddress('https://h.test:80/a').origin, 'https://h.test:80');
  assert.is(parseAddress('http://[::1]:5000/a').origin, 'http://[::1]:5000');
});

test('drops the fragment, which no server ever sees', () => {
  assert.is(parseAddress('http://h.test/a?b#c').url, 'http://h.test/a?b');
});

for (const url of [
  '',
  '/',
  'a',
  '//h.test/a',
  'h.test/a',
  'ftp://h.test/a',
  'file:///etc/passwd',
  'data:text/plain,x',
  'http://',
  'http://h.test:99999/',
  'http://a b/',
]) {
  test(`refuses ${JSON.stringify(url)}`, () => {
    assert.is(throws('ADDRESS_INVALID', () => parseAddress(url)).status, 400);
  });
}

test('refuses a URL with a user or a password, and does not repeat either', () => {
  for (const url of ['http://user@h.test/', 'http://:secret@h.test/', 'https://user:secret@h.test/a?b']) {
    assert.not.match(throws('ADDRESS_INVALID', () => parseAddress(url)).message, /user@|secret/);
  }
});

test('finds the digest of an OCI blob, whatever host and query', () => {
  for (const url of [
    `http://h.test/v2/library/x/blobs/sha256:${HEX}`,
    `https://mirror.test:5000/v2/a/b/c/blobs/sha256:${HEX}?ns=docker.io`,
    `https://cdn.test/registry/blobs/sha256:${HEX}?X-Amz-Signature=1`,
  ]) {
    assert.is(digest(url), `sha256:${HEX}`);
  }
});

test('finds the digest of an on-demand blob', () => {
  assert.is(digest(`http://h.test/v2/blobs/sha256/ab/${HEX}/data`), `sha256:${HEX}`);
  assert.is(digest(`http://h.test/docker/registry/v2/blobs/sha256/ab/${HEX}/data?x`), `sha256:${HEX}`);
});

test('finds the digest of a manifest, and says that it is one', () => {
  for (const url of [
    `http://h.test/v2/x/manifests/sha256:${HEX}`,
    `https://h.test/v2/a/b/manifests/sha256:${HEX}?ns=docker.io`,
  ]) {
    const { digest, isManifest } = parseAddress(url);
    assert.is(digest, `sha256:${HEX}`);
    assert.ok(isManifest);
  }
  assert.not(parseAddress(`http://h.test/v2/x/blobs/sha256:${HEX}`).isManifest);
  assert.not(parseAddress('http://h.test/v2/x/manifests/latest').isManifest);
});

for (const [why, path] of [
  ['is in upper case', `/v2/x/blobs/sha256:${HEX.toUpperCase()}`],
  ['is too short', `/v2/x/blobs/sha256:${HEX.slice(1)}`],
  ['is too long', `/v2/x/blobs/sha256:${HEX}0`],
  ['is of another kind', `/v2/x/blobs/sha512:${HEX}`],
  ['is followed by more', `/v2/x/blobs/sha256:${HEX}/data`],
  ['is that of an upload', `/v2/x/blobs/uploads/?digest=sha256:${HEX}`],
  ['is that of a manifest of another API', `/v1/x/manifests/sha256:${HEX}`],
  ['is that of a manifest of another kind', `/v2/x/manifests/sha512:${HEX}`],
  ['is in the query', `/a?b=/blobs/sha256:${HEX}`],
  ['does not begin with its folder', `/v2/blobs/sha256/ac/${HEX}/data`],
  ['has no folder', `/v2/blobs/sha256/${HEX}/data`],
] as const) {
  test(`sees no digest in a path where it ${why}`, () => {
    assert.is(digest(`http://h.test${path}`), undefined);
  });
}

test('gives one identity to the same object signed twice', () => {
  const plain = 'https://b.test/k?versionId=3';
  for (const [provider, signature] of [
    [
      'S3',
      'X-Amz-Algorithm=A&X-Amz-Credential=C&X-Amz-Date=1&X-Amz-Expires=2&X-Amz-SignedHeaders=h&X-Amz-Signature=s',
    ],
    ['S3 v2', 'AWSAccessKeyId=A&Signature=s&Expires=1'],
    ['Google', 'X-Goog-Algorithm=A&X-Goog-Signature=s'],
    ['CloudFront', 'Expires=1&Policy=p&Signature=s&Key-Pair-Id=k'],
    ['Azure', 'sv=2020&se=2030&sr=b&sp=r&st=1&spr=https&sig=s'],
    ['OSS', 'OSSAccessKeyId=A&Expires=1&Signature=s&x-oss-date=1&security-token=t'],
    ['a token', 'token=t'],
  ] as const) {
    assert.is(identity(`${plain}&${signature}`), plain, provider);
    assert.is(identity(`https://b.test/k?${signature}&versionId=3`), plain, provider);
    assert.is(parseAddress(`${plain}&${signature}`).url, `${plain}&${signature}`);
  }
});

test('keeps what chooses the content in the identity', () => {
  const different = [
    'http://h.test/a',
    'http://h.test/a/',
    'http://h.test//a',
    'http://h.test/A',
    'http://h.test/a?',
    'http://h.test/a?b',
    'http://h.test/a?b=1',
    'http://h.test/a?b=1&b=2',
    'http://h.test/a?b=2&b=1',
    'http://h.test/a?tokens=1',
    'http://h.test/a?signature-kind=1',
    'http://h.test/a?response-content-type=x',
    'http://h.test/a?x-oss-process=image/resize,w_100',
    'http://h.test/a?x-oss-process=image/resize,w_200',
    'http://h.test:81/a',
    'https://h.test/a',
    'http://i.test/a',
  ].map(identity);
  // "?" with nothing after it asks for the same as none.
  assert.is(new Set(different).size, different.length - 1);
});

test('takes the origin URL out of a prefix target, whole', () => {
  for (const url of [
    'http://h.test/',
    'https://h.test:5000/v2/x/blobs/a?ns=b&c=http://d.test//e',
    'http://h.test/a//b/c%20d',
  ]) {
    assert.equal(parsePrefixTarget(`/dadip2p/${url}`, 'dadip2p'), parseAddress(url));
  }
});

test('takes the single slash that gateways make of two', () => {
  assert.is(parsePrefixTarget('/k/https:/h.test/a//b', 'k').url, 'https://h.test/a//b');
  assert.is(parsePrefixTarget('/k/HTTP:/h.test/a', 'k').url, 'http://h.test/a');
});

// DadiP2P cut the path without looking at its length, and died of the slice (FIELD: p2p_server.go).
for (const target of [
  '',
  '/',
  '/d',
  '/dadip2',
  '/dadip2p',
  '/dadip2px/http://h.test/',
  '*',
  'dadip2p/http://h.test/',
]) {
  test(`refuses the target ${JSON.stringify(target)} for its key`, () => {
    assert.is(throws('KEY_REFUSED', () => parsePrefixTarget(target, 'dadip2p')).status, 403);
  });
}

for (const target of [
  '/dadip2p/',
  '/dadip2p//',
  '/dadip2p/?',
  '/dadip2p/h.test/a',
  '/dadip2p//h.test/a',
  '/dadip2p/http',
  '/dadip2p/http:',
  '/dadip2p/http:/',
  '/dadip2p/http://',
  '/dadip2p/https:///',
  '/dadip2p/ftp://h.test/a',
  '/dadip2p/http://user:secret@h.test/',
  '/dadip2p/%68ttp://h.test/',
]) {
  test(`refuses the target ${JSON.stringify(target)} for its URL`, () => {
    throws('ADDRESS_INVALID', () => parsePrefixTarget(target, 'dadip2p'));
  });
}

test('takes the key for text, not for a pattern', () => {
  throws('KEY_REFUSED', () => parsePrefixTarget('/axc/http://h.test/', 'a.c'));
  assert.is(parsePrefixTarget('/a.c/http://h.test/', 'a.c').origin, 'http://h.test');
});

test('redacts the query and the user of whatever it is given', () => {
  for (const [url, shown] of [
    ['http://h.test/a', 'http://h.test/a'],
    ['http://h.test/a?X-Amz-Signature=secret', 'http://h.test/a?…'],
    ['http://user:secret@h.test/a', 'http://…@h.test/a'],
    ['http://user:sec@ret@h.test/a', 'http://…@h.test/a'],
    ['/k/http://user:secret@h.test/a?b', '/k/http://…@h.test/a?…'],
    ['not a url', 'not a url'],
    ['', ''],
    ['http://h.test/a:b@c', 'http://h.test/a:b@c'],
  ] as const) {
    assert.is(redact(url), shown);
  }
});

test('redacts a user however the URL is written', () => {
  // Broke: with one slash, as gateways leave it, the password went into the log.
  for (const [url, shown] of [
    ['/k/http:/user:secret@h.test/a?b', '/k/http:/…@h.test/a?…'],
    ['http:user:secret@h.test/a', 'http:…@h.test/a'],
    ['HTTPS:\\\\user:secret@h.test/a', 'HTTPS:\\\\…@h.test/a'],
    ['https:///user:secret@h.test/a', 'https:///…@h.test/a'],
    ['user:secret@h.test:443', '…@h.test:443'],
  ] as const) {
    assert.is(redact(url), shown);
  }
});

test.run();
