import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ClusterKeys } from '../../../functions/service/cluster-keys.ts';
import { NEW_SECRET, OLD_SECRET } from '../../support/secrets.ts';

const test = suite('functions/service/cluster-keys');

const keysOf = (...secrets: string[]): ClusterKeys => ClusterKeys.of(secrets) as ClusterKeys;

test('has no keys without a secret', () => {
  assert.is(ClusterKeys.of([]), undefined);
});

test('believes what another holder of the secret signed', () => {
  const mac = keysOf(NEW_SECRET).sign('token', 'text');
  assert.match(mac, /^[\w-]{43}$/);
  assert.is(keysOf(NEW_SECRET).verify('token', 'text', mac), true);
});

test('believes nobody with another secret, nor another text', () => {
  const mac = keysOf(OLD_SECRET).sign('token', 'text');
  assert.is(keysOf(NEW_SECRET).verify('token', 'text', mac), false);
  assert.is(keysOf(OLD_SECRET).verify('token', 'text ', mac), false);
});

test('takes what was signed for one purpose for no other', () => {
  const keys = keysOf(NEW_SECRET);
  for (const purpose of ['token', 'chunk', 'grant'] as const) {
    for (const other of ['token', 'chunk', 'grant'] as const) {
      assert.is(keys.verify(other, 'text', keys.sign(purpose, 'text')), purpose === other);
    }
  }
});

test('refuses every MAC that is shorter, longer, or differs in one letter', () => {
  const keys = keysOf(NEW_SECRET);
  const mac = keys.sign('grant', 'text');
  for (let length = 0; length < mac.length; length += 1) {
    assert.is(keys.verify('grant', 'text', mac.slice(0, length)), false);
    const other = mac[length] === 'A' ? 'B' : 'A';
    assert.is(keys.verify('grant', 'text', mac.slice(0, length) + other + mac.slice(length + 1)), false);
  }
  assert.is(keys.verify('grant', 'text', `${mac}A`), false);
  assert.is(keys.verify('grant', 'text', 'ä'.repeat(43)), false);
});

test('lets a secret be changed with no moment at which nodes do not believe each other', () => {
  const stages = [[OLD_SECRET], [OLD_SECRET, NEW_SECRET], [NEW_SECRET, OLD_SECRET], [NEW_SECRET]];
  for (let at = 1; at < stages.length; at += 1) {
    const before = keysOf(...(stages[at - 1] as string[]));
    const after = keysOf(...(stages[at] as string[]));
    assert.is(after.verify('token', 'text', before.sign('token', 'text')), true, `stage ${at}`);
    assert.is(before.verify('token', 'text', after.sign('token', 'text')), true, `stage ${at}, back`);
  }
  assert.is(keysOf(NEW_SECRET).verify('token', 'text', keysOf(OLD_SECRET).sign('token', 'text')), false);
});

test.run();
