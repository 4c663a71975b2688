import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseHead } from '../../../functions/service/reply-head.ts';
import { pickFrom, seeded } from '../../support/seeded.ts';

const test = suite('service/reply-head');

const head = (...lines: string[]) => ['HTTP/1.1 206 Partial Content', ...lines].join('\r\n');

test('reads status, headers in lower case, and the length of the body', () => {
  assert.equal(parseHead(head('Content-Length: 10', 'ETag: "a"', 'X-Two: 1', 'x-two:2')), {
    status: 206,
    headers: { 'content-length': '10', etag: '"a"', 'x-two': ['1', '2'] },
    length: 10,
    keepAlive: true,
  });
});

test('tells a connection that will be closed', () => {
  assert.is(parseHead(head('Content-Length: 0', 'Connection: Close'))?.keepAlive, false);
});

for (const [name, text] of Object.entries({
  'another version': 'HTTP/1.0 206 OK\r\nContent-Length: 1',
  'an interim reply': 'HTTP/1.1 100 Continue\r\nContent-Length: 0',
  'no length': head('ETag: "a"'),
  'two lengths': head('Content-Length: 1', 'Content-Length: 1'),
  'a list of lengths': head('Content-Length: 1, 1'),
  'a signed length': head('Content-Length: +1'),
  'a length in hex': head('Content-Length: 0x10'),
  'a length beyond exact numbers': head(`Content-Length: ${'9'.repeat(17)}`),
  'a transfer coding beside a length': head('Content-Length: 1', 'Transfer-Encoding: chunked'),
  'a transfer coding in odd case': head('Content-Length: 1', 'tRANSFER-eNCODING: identity'),
  'a folded line': head('Content-Length: 1', ' folded: yes'),
  'a space before the colon': head('Content-Length : 1'),
  'a line without a colon': head('Content-Length: 1', 'nonsense'),
  'a control character in a value': head('Content-Length: 1', 'X: a\u0000b'),
  'a bare line feed in a value': head('Content-Length: 1', 'X: a\nTransfer-Encoding: chunked'),
  'a reply that has no body by its status': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5',
  'no status line': 'hello\r\nContent-Length: 1',
  'nothing at all': '',
})) {
  test(`leaves ${name} to the general client`, () => {
    assert.is(parseHead(text), undefined);
  });
}

test('never throws, and never makes a body longer than the head says, whatever the bytes', () => {
  const random = seeded('heads');
  const bits = [
    'HTTP/1.1 206 x',
    '\r\n',
    '\n',
    ':',
    ' ',
    'Content-Length: 5',
    'content-length:6',
    '\u0000',
    'a',
    'Transfer-Encoding: chunked',
  ];
  for (let round = 0; round < 20_000; round += 1) {
    const text = Array.from({ length: 1 + Math.floor(random() * 8) }, () => pickFrom(random, bits)).join('');
    const read = parseHead(text);
    if (read === undefined) continue;
    assert.ok(read.length === 5 || read.length === 6);
    assert.not('transfer-encoding' in read.headers);
  }
});

test.run();
