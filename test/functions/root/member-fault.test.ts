import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memberFault } from '../../../functions/root/member-fault.ts';

const test = suite('functions/root/member-fault');

const faultOf = (url: string, remote: string) => memberFault(url, { issuer: url, remote });

test('finds nothing wrong with an address of a network, or a name', () => {
  for (const url of ['http://10.0.0.1:19145', 'https://[fd00::1]:19145', 'http://node-1.rack:19145']) {
    assert.is(faultOf(url, '192.0.2.1'), undefined, url);
  }
});

test('takes loopback from who is on loopback too, for it means another host to anyone else', () => {
  for (const url of [
    'http://127.0.0.1:1',
    'http://[::1]:1',
    'http://localhost:1',
    'http://[::ffff:127.0.0.1]:1',
  ]) {
    assert.is(faultOf(url, '127.0.0.1'), undefined, url);
    assert.is(faultOf(url, '::ffff:127.0.0.1'), undefined, url);
    assert.match(faultOf(url, '10.0.0.1') ?? '', 'NodeIP', url);
  }
});

test('takes no address that hands out credentials, is nobody’s, or everybody’s', () => {
  const bad = [
    '169.254.169.254',
    '0.0.0.0',
    '255.255.255.255',
    '224.0.0.1',
    '[fe80::1]',
    '[::]',
    '[ff02::1]',
  ];
  for (const host of bad) assert.match(faultOf(`http://${host}:1`, '127.0.0.1') ?? '', 'no address', host);
});

test('takes no address but that of the token', () => {
  const fault = memberFault('http://10.0.0.2:1', { issuer: 'http://10.0.0.1:1', remote: '10.0.0.1' });
  assert.match(fault ?? '', '10.0.0.1');
});

test.run();
