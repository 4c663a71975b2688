import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  capChain,
  endToEnd,
  extendChain,
  formatBlobLine,
  headerValue,
} from '../../../functions/protocol/headers.ts';
import { throws } from '../../support/rejects.ts';

const test = suite('functions/protocol/headers');

test('joins the lines of a repeated header', () => {
  assert.is(headerValue({ a: ['1', '2'] }, 'a'), '1, 2');
  assert.is(headerValue({ a: '1' }, 'a'), '1');
  assert.is(headerValue({ a: [] }, 'a'), '');
  assert.is(headerValue({}, 'a'), undefined);
});

test('passes on what is meant for the other end', () => {
  const headers = { range: 'bytes=0-1', authorization: 'Basic x', 'set-cookie': ['a', 'b'], via: '1.1 x' };
  assert.equal(endToEnd(headers), headers);
});

test('drops what is meant for the next hop alone', () => {
  const hop = {
    connection: 'close',
    'keep-alive': 'timeout=5',
    'proxy-authenticate': 'Basic',
    'proxy-authorization': 'Basic x',
    'proxy-connection': 'keep-alive',
    te: 'trailers',
    trailer: 'x',
    'transfer-encoding': 'chunked',
    upgrade: 'websocket',
  };
  assert.equal(endToEnd({ ...hop, accept: '*/*', absent: undefined }), { accept: '*/*' });
});

test('drops the headers that Connection names', () => {
  const headers = { connection: 'X-One ,x-two', 'x-one': '1', 'x-two': '2', 'x-three': '3' };
  assert.equal(endToEnd(headers), { 'x-three': '3' });
  assert.equal(endToEnd({ ...headers, connection: ['x-one', 'x-two'] }), { 'x-three': '3' });
});

test('adds an agent at the end of the chain', () => {
  assert.is(extendChain(undefined, 'a:1'), 'a:1');
  assert.is(extendChain('', 'a:1'), 'a:1');
  assert.is(extendChain('a:1', 'b:1'), 'a:1 b:1');
  assert.is(extendChain('  a:1   b:1 ', 'c:1'), 'a:1 b:1 c:1');
});

test('detects itself in the chain, wherever it stands', () => {
  for (const chain of ['a:1', 'a:1 b:1', 'b:1 a:1', 'b:1 a:1 c:1', 'b:1, a:1, c:1', 'b:1,a:1']) {
    assert.is(throws('LOOP_DETECTED', () => extendChain(chain, 'a:1')).status, 508);
  }
});

test('does not take an address for a part of another', () => {
  assert.is(extendChain('10.0.0.1:19145', '10.0.0.1:1914'), '10.0.0.1:19145 10.0.0.1:1914');
  assert.is(extendChain('110.0.0.1:1', '10.0.0.1:1'), '110.0.0.1:1 10.0.0.1:1');
});

test('takes eight agents and no more', () => {
  let chain: string | undefined;
  for (let n = 1; n <= 8; n += 1) chain = extendChain(chain, `agent-${n}:1`);
  assert.is(chain?.split(' ').length, 8);
  throws('LOOP_DETECTED', () => extendChain(chain, 'agent-9:1'));
});

test('caps a chain so that the next node takes it, and keeps those who come last', () => {
  assert.is(capChain('a:1'), 'a:1');
  const names = Array.from({ length: 8 }, (_, n) => `agent-${n}:1`);
  for (let length = 1; length <= 8; length += 1) {
    const capped = capChain(names.slice(-length).join(' '));
    assert.is(capped, names.slice(-Math.min(7, length)).join(' '));
    assert.ok(extendChain(capped, 'next:1').endsWith('agent-7:1 next:1'));
  }
});

test('says what a peer needs to know of a blob', () => {
  assert.is(
    formatBlobLine({ size: 10, chunkBytes: 4_194_304, key: 'sha256:ab' }),
    'size=10; chunk=4194304; key=sha256:ab',
  );
});

test.run();
